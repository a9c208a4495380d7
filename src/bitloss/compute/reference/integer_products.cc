#include "bitloss/compute/reference/integer_products.h"

#include <vector>

namespace bitloss {
namespace {

int32_t Product(const float* x, const int8_t* weights, size_t size) {
  int32_t sum = 0;
  for (size_t i = 0; i < size; ++i) sum += static_cast<int32_t>(x[i]) * weights[i];
  return sum;
}

}  // namespace

void W8A8MatMul(const Int8Weights& weights, const Execution& execution, std::span<const float> bias,
                ConstMatrixView x, MatrixView y) {
  std::vector<float> codes(x.cols);
  for (size_t row = 0; row < x.rows; ++row) {
    const double scale = RoundToInt8(x.Row(row), execution, codes);
    for (size_t out = 0; out < y.cols; ++out) {
      const double product = Product(codes.data(), weights.codes.data() + out * x.cols, x.cols);
      y.Row(row)[out] = static_cast<float>(product * scale * double{weights.scales[out]} +
                                           (bias.empty() ? 0.0 : double{bias[out]}));
    }
  }
}

void GgmlMatMul(const GgmlWeights& weights, std::span<const float> bias, ConstMatrixView x,
                MatrixView y) {
  const size_t num_blocks = x.cols / kGgmlBlock;
  std::vector<float> codes(x.cols);
  std::vector<GgmlScales> scales(num_blocks);
  for (size_t row = 0; row < x.rows; ++row) {
    for (size_t b = 0; b < num_blocks; ++b) {
      const size_t first = b * kGgmlBlock;
      scales[b] = RoundGgmlBlock(x.Row(row).subspan(first).first<kGgmlBlock>(),
                                 std::span(codes).subspan(first).first<kGgmlBlock>());
    }
    for (size_t out = 0; out < y.cols; ++out) {
      double sum = bias.empty() ? 0.0 : double{bias[out]};
      for (size_t b = 0; b < num_blocks; ++b) {
        const size_t first = out * x.cols + b * kGgmlBlock;
        const size_t block = out * num_blocks + b;
        sum += Product(codes.data() + b * kGgmlBlock, weights.codes.data() + first, kGgmlBlock) *
               (double{weights.scales[block]} * double{scales[b].scale});
        if (!weights.offsets.empty()) {
          sum += double{weights.offsets[block]} * double{scales[b].sum};
        }
      }
      y.Row(row)[out] = static_cast<float>(sum);
    }
  }
}

}  // namespace bitloss

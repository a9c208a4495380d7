#include "bitloss/quant/formats/f16/f16.h"

#include "bitloss/quant/formats/no_parameters.h"
#include "bitloss/quant/formats/planes.h"
#include "bitloss/tensor/dtype.h"

namespace bitloss {
namespace {

constexpr uint16_t kInfinity = 0x7C00;  // less its sign

Result<EncodedMatrix> EncodeF16(const Format& format, ConstMatrixView weights) {
  BITLOSS_DO(CheckFinite(weights));
  std::vector<F16> values(weights.rows * weights.cols);
  for (size_t row = 0; row < weights.rows; ++row) {
    const std::span<F16> out(values.data() + row * weights.cols, weights.cols);
    RoundToF16(weights.Row(row), out);
    for (size_t col = 0; col < out.size(); ++col) {
      if ((out[col].bits & 0x7FFF) != kInfinity) continue;
      return BadInput("the weight {} at row {}, column {} is beyond the range of FP16 (65504)",
                      weights.Row(row)[col], row, col);
    }
  }
  return EncodedMatrix{.format = format,
                       .rows = weights.rows,
                       .cols = weights.cols,
                       .codes = OwnPlane(std::move(values))};
}

void DecodeF16(const EncodedMatrix& matrix, size_t row, size_t first_col, std::span<float> out) {
  BITLOSS_DCHECK(first_col + out.size() <= matrix.cols);
  const size_t first = row * matrix.cols + first_col;
  for (size_t i = 0; i < out.size(); ++i) out[i] = ToFloat(LoadAt<F16>(matrix.codes, first + i));
}

}  // namespace

const Format& F16Format() {
  static const Format kFormat = {
      .name = "f16",
      .bits = 16,
      .row_coding = RowCoding::kIndependent,
      .supports = SupportsEveryShape,
      .num_bytes = [](const Format&, size_t rows, size_t cols) { return rows * cols * 2; },
      .encode = EncodeF16,
      .decode = DecodeF16,
  };
  return kFormat;
}

FormatFamily F16Family() {
  return {.name = "f16",
          .summary = "float16",
          .source = "IEEE 754 binary16",
          .make = [](std::span<const std::string_view> parameters) {
            return WithoutParameters(F16Format(), parameters);
          }};
}

}  // namespace bitloss

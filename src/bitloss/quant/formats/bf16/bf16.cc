#include "bitloss/quant/formats/bf16/bf16.h"

#include "bitloss/quant/formats/no_parameters.h"
#include "bitloss/quant/formats/planes.h"
#include "bitloss/tensor/dtype.h"

namespace bitloss {
namespace {

constexpr uint16_t kInfinity = 0x7F80;  // less its sign

Result<EncodedMatrix> EncodeBF16(const Format& format, ConstMatrixView weights) {
  BITLOSS_DO(CheckFinite(weights));
  std::vector<BF16> values(weights.rows * weights.cols);
  for (size_t row = 0; row < weights.rows; ++row) {
    const std::span<BF16> out(values.data() + row * weights.cols, weights.cols);
    for (size_t col = 0; col < out.size(); ++col) {
      out[col] = RoundToBF16(weights.Row(row)[col]);
      if ((out[col].bits & 0x7FFF) != kInfinity) continue;
      return BadInput("the weight {} at row {}, column {} is beyond the range of BF16",
                      weights.Row(row)[col], row, col);
    }
  }
  return EncodedMatrix{.format = format,
                       .rows = weights.rows,
                       .cols = weights.cols,
                       .codes = OwnPlane(std::move(values))};
}

void DecodeBF16(const EncodedMatrix& matrix, size_t row, size_t first_col, std::span<float> out) {
  BITLOSS_DCHECK(first_col + out.size() <= matrix.cols);
  const size_t first = row * matrix.cols + first_col;
  for (size_t i = 0; i < out.size(); ++i) out[i] = ToFloat(LoadAt<BF16>(matrix.codes, first + i));
}

}  // namespace

const Format& BF16Format() {
  static const Format kFormat = {
      .name = "bf16",
      .bits = 16,
      .row_coding = RowCoding::kIndependent,
      .supports = SupportsEveryShape,
      .num_bytes = [](const Format&, size_t rows, size_t cols) { return rows * cols * 2; },
      .encode = EncodeBF16,
      .decode = DecodeBF16,
  };
  return kFormat;
}

FormatFamily BF16Family() {
  return {.name = "bf16",
          .summary = "bfloat16, as most checkpoints are published",
          .source = "the upper half of IEEE 754 binary32",
          .make = [](std::span<const std::string_view> parameters) {
            return WithoutParameters(BF16Format(), parameters);
          }};
}

}  // namespace bitloss

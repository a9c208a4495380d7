#include "bitloss/quant/formats/f32/f32.h"

#include <cstring>

#include "bitloss/quant/formats/no_parameters.h"
#include "bitloss/quant/formats/planes.h"

namespace bitloss {
namespace {

Result<EncodedMatrix> EncodeF32(const Format& format, ConstMatrixView weights) {
  BITLOSS_DO(CheckFinite(weights));
  std::vector<float> values;
  values.reserve(weights.rows * weights.cols);
  for (size_t row = 0; row < weights.rows; ++row) {
    const std::span<const float> from = weights.Row(row);
    values.insert(values.end(), from.begin(), from.end());
  }
  return EncodedMatrix{.format = format,
                       .rows = weights.rows,
                       .cols = weights.cols,
                       .codes = OwnPlane(std::move(values))};
}

void DecodeF32(const EncodedMatrix& matrix, size_t row, size_t first_col, std::span<float> out) {
  BITLOSS_DCHECK(first_col + out.size() <= matrix.cols);
  const size_t first = (row * matrix.cols + first_col) * sizeof(float);
  std::memcpy(out.data(), matrix.codes.data() + first, out.size_bytes());
}

}  // namespace

const Format& F32Format() {
  static const Format kFormat = {
      .name = "f32",
      .bits = 32,
      .row_coding = RowCoding::kIndependent,
      .supports = SupportsEveryShape,
      .num_bytes = [](const Format&, size_t rows, size_t cols) { return rows * cols * 4; },
      .encode = EncodeF32,
      .decode = DecodeF32,
  };
  return kFormat;
}

EncodedMatrix F32InPlace(const Matrix& weights) {
  return {.format = F32Format(),
          .rows = weights.rows(),
          .cols = weights.cols(),
          .codes = {std::as_bytes(weights.flat()), nullptr}};
}

FormatFamily F32Family() {
  return {.name = "f32",
          .summary = "float32, for checks of the arithmetic",
          .source = "IEEE 754 binary32",
          .make = [](std::span<const std::string_view> parameters) {
            return WithoutParameters(F32Format(), parameters);
          }};
}

}  // namespace bitloss

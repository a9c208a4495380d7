#include "bitloss/quant/formats/int8_row/int8_row.h"

#include <algorithm>
#include <cmath>

#include "bitloss/quant/formats/no_parameters.h"
#include "bitloss/quant/formats/planes.h"
#include "bitloss/quant/formats/round_to_even.h"

namespace bitloss {
namespace {

constexpr float kMaxCode = 127.0f;
constexpr uint8_t kZeroPoint = 128;  // of unpacked codes, which are unsigned

float AbsMax(std::span<const float> row) {
  float absmax = 0.0f;
  for (const float w : row) absmax = std::max(absmax, std::abs(w));
  return absmax;
}

void EncodeRow(std::span<const float> row, float scb, std::span<int8_t> codes) {
  if (scb == 0.0f) {
    std::ranges::fill(codes, int8_t{0});
    return;
  }
  const float factor = kMaxCode * (1.0f / scb);  // as torch divides a number by a tensor
  for (size_t i = 0; i < row.size(); ++i) {
    codes[i] = static_cast<int8_t>(RoundToEven(row[i] * factor));
  }
}

Result<EncodedMatrix> EncodeInt8Row(const Format& format, ConstMatrixView weights) {
  BITLOSS_DO(CheckFinite(weights));
  std::vector<int8_t> codes(weights.rows * weights.cols);
  std::vector<float> scb(weights.rows);
  for (size_t row = 0; row < weights.rows; ++row) {
    scb[row] = AbsMax(weights.Row(row));
    EncodeRow(weights.Row(row), scb[row], {codes.data() + row * weights.cols, weights.cols});
  }
  return EncodedMatrix{.format = format,
                       .rows = weights.rows,
                       .cols = weights.cols,
                       .codes = OwnPlane(std::move(codes)),
                       .scales = OwnPlane(std::move(scb))};
}

void DecodeInt8Row(const EncodedMatrix& matrix, size_t row, size_t first_col,
                   std::span<float> out) {
  BITLOSS_DCHECK(first_col + out.size() <= matrix.cols);
  const float scale = Int8RowScale(LoadAt<float>(matrix.scales, row));
  for (size_t i = 0; i < out.size(); ++i) {
    const int8_t code = LoadAt<int8_t>(matrix.codes, row * matrix.cols + first_col + i);
    out[i] = static_cast<float>(code) * scale;
  }
}

GroupedCodes UnpackInt8Row(const EncodedMatrix& matrix) {
  GroupedCodes grouped{.kind = GroupedCodes::Kind::kZeroPoint,
                       .bits = 8,
                       .group_size = matrix.cols,
                       .codes = std::vector<uint8_t>(matrix.rows * matrix.cols),
                       .scales = std::vector<float>(matrix.rows),
                       .zeros = std::vector<float>(matrix.rows, float{kZeroPoint})};
  for (size_t i = 0; i < grouped.codes.size(); ++i) {
    grouped.codes[i] = static_cast<uint8_t>(LoadAt<int8_t>(matrix.codes, i) + kZeroPoint);
  }
  for (size_t row = 0; row < matrix.rows; ++row) {
    grouped.scales[row] = Int8RowScale(LoadAt<float>(matrix.scales, row));
  }
  return grouped;
}

Result<EncodedMatrix> PackInt8Row(const Format& format, size_t rows, size_t cols,
                                  const GroupedCodes& grouped) {
  std::vector<int8_t> codes(rows * cols);
  for (size_t i = 0; i < codes.size(); ++i) {
    codes[i] = static_cast<int8_t>(grouped.codes[i] - kZeroPoint);
  }
  std::vector<float> scb(rows);
  for (size_t row = 0; row < rows; ++row) {
    const std::optional<float> absmax = Int8RowAbsMax(grouped.scales[row]);
    BITLOSS_CHECK(absmax);  // it is one of an encode
    scb[row] = *absmax;
  }
  return EncodedMatrix{.format = format,
                       .rows = rows,
                       .cols = cols,
                       .codes = OwnPlane(std::move(codes)),
                       .scales = OwnPlane(std::move(scb))};
}

}  // namespace

std::optional<float> Int8RowAbsMax(float scale) {
  const float near = scale * 127.0f;
  float candidate = std::nextafter(std::nextafter(near, 0.0f), 0.0f);
  for (int i = 0; i < 5; ++i, candidate = std::nextafter(candidate, INFINITY)) {
    if (Int8RowScale(candidate) == scale) return candidate;
  }
  return std::nullopt;
}

const Format& Int8RowFormat() {
  static const Format kFormat = {
      .name = "int8_row",
      .bits = 8,
      .row_coding = RowCoding::kIndependent,
      .supports = SupportsEveryShape,
      .num_bytes = [](const Format&, size_t rows, size_t cols) { return rows * cols + rows * 4; },
      .encode = EncodeInt8Row,
      .decode = DecodeInt8Row,
      .unpack = UnpackInt8Row,
      .pack = PackInt8Row,
  };
  return kFormat;
}

FormatFamily Int8RowFamily() {
  return {.name = "int8_row",
          .summary = "8-bit integers, one scale for a row (the weights of LLM.int8)",
          .source = "bitsandbytes; Dettmers et al. 2022, arXiv 2208.07339",
          .make = [](std::span<const std::string_view> parameters) {
            return WithoutParameters(Int8RowFormat(), parameters);
          }};
}

}  // namespace bitloss

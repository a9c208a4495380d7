#include "bitloss/quant/formats/fp8/fp8.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "bitloss/quant/formats/no_parameters.h"
#include "bitloss/quant/formats/planes.h"

namespace bitloss {
namespace {

constexpr std::array kTypes = {kE4M3, kE5M2};
constexpr std::array<std::string_view, 2> kTypeNames = {"fp8_e4m3", "fp8_e5m2"};
constexpr std::array<std::string_view, 3> kScaleNames = {"row", "tensor", "block"};

const std::array<float, 256>& TableOf(Fp8Type type) {
  static const std::array kTables = {kE4M3.Table(), kE5M2.Table()};
  return kTables[static_cast<size_t>(type)];
}

size_t NumBlocks(size_t size) { return (size + kFp8Block - 1) / kFp8Block; }

// How a matrix is cut into parts that share a scale.
struct Parts {
  size_t rows;  // of a part
  size_t cols;
  size_t across;  // parts beside each other
  size_t count;

  size_t Of(size_t row, size_t col) const { return row / rows * across + col / cols; }
};

Parts PartsOf(Fp8Scale scale, size_t rows, size_t cols) {
  switch (scale) {
    case Fp8Scale::kRow:
      return {1, cols, 1, rows};
    case Fp8Scale::kTensor:
      return {rows, cols, 1, 1};
    case Fp8Scale::kBlock:
      return {kFp8Block, kFp8Block, NumBlocks(cols), NumBlocks(rows) * NumBlocks(cols)};
  }
  return {};
}

float AbsMax(ConstMatrixView part) {
  float absmax = 0.0f;
  for (size_t row = 0; row < part.rows; ++row) {
    for (const float w : part.Row(row)) absmax = std::max(absmax, std::abs(w));
  }
  return absmax;
}

template <class Quotient>
void EncodePart(const SmallFloat& type, ConstMatrixView part, size_t stride, uint8_t* codes,
                const Quotient& quotient) {
  for (size_t row = 0; row < part.rows; ++row) {
    const std::span<const float> weights = part.Row(row);
    for (size_t i = 0; i < weights.size(); ++i) {
      codes[row * stride + i] = type.Encode(quotient(weights[i]));
    }
  }
}

template <Fp8Type kType, Fp8Scale kScale>
Result<EncodedMatrix> Encode(const Format& format, ConstMatrixView weights) {
  BITLOSS_DO(CheckFinite(weights));
  constexpr SmallFloat kFloat = kTypes[static_cast<size_t>(kType)];
  const float largest = TableOf(kType)[kFloat.largest];
  const Parts parts = PartsOf(kScale, weights.rows, weights.cols);
  std::vector<uint8_t> codes(weights.rows * weights.cols);
  std::vector<float> scales(parts.count, 1.0f);
  for (size_t row = 0; row < weights.rows; row += parts.rows) {
    for (size_t col = 0; col < weights.cols; col += parts.cols) {
      const auto part = weights.Rows(row, std::min(row + parts.rows, weights.rows))
                            .Cols(col, std::min(col + parts.cols, weights.cols));
      const float absmax = AbsMax(part);
      if (absmax == 0.0f) continue;
      float& scale = scales[parts.Of(row, col)];
      uint8_t* part_codes = codes.data() + row * weights.cols + col;
      if constexpr (kScale == Fp8Scale::kBlock) {
        const float factor = largest / absmax;
        scale = 1.0f / factor;
        EncodePart(kFloat, part, weights.cols, part_codes, [&](float w) { return w * factor; });
      } else {
        scale = absmax / largest;
        EncodePart(kFloat, part, weights.cols, part_codes, [&](float w) { return w / scale; });
      }
    }
  }
  return EncodedMatrix{.format = format,
                       .rows = weights.rows,
                       .cols = weights.cols,
                       .codes = OwnPlane(std::move(codes)),
                       .scales = OwnPlane(std::move(scales))};
}

template <Fp8Type kType, Fp8Scale kScale>
void Decode(const EncodedMatrix& matrix, size_t row, size_t first_col, std::span<float> out) {
  BITLOSS_DCHECK(first_col + out.size() <= matrix.cols);
  const Parts parts = PartsOf(kScale, matrix.rows, matrix.cols);
  const std::array<float, 256>& table = TableOf(kType);
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t col = first_col + i;
    out[i] = table[LoadAt<uint8_t>(matrix.codes, row * matrix.cols + col)] *
             LoadAt<float>(matrix.scales, parts.Of(row, col));
  }
}

template <Fp8Type kType, Fp8Scale kScale>
GroupedCodes Unpack(const EncodedMatrix& matrix) {
  const Parts parts = PartsOf(kScale, matrix.rows, matrix.cols);
  GroupedCodes grouped{.kind = GroupedCodes::Kind::kTable,
                       .bits = 8,
                       .group_size = parts.cols,
                       .codes = std::vector<uint8_t>(matrix.rows * matrix.cols)};
  for (size_t i = 0; i < grouped.codes.size(); ++i) {
    grouped.codes[i] = LoadAt<uint8_t>(matrix.codes, i);
  }
  for (size_t row = 0; row < matrix.rows; ++row) {
    for (size_t col = 0; col < matrix.cols; col += parts.cols) {
      grouped.scales.push_back(LoadAt<float>(matrix.scales, parts.Of(row, col)));
    }
  }
  grouped.table = TableOf(kType);
  return grouped;
}

template <Fp8Type kType, Fp8Scale kScale>
Result<EncodedMatrix> Pack(const Format& format, size_t rows, size_t cols,
                           const GroupedCodes& grouped) {
  const Parts parts = PartsOf(kScale, rows, cols);
  std::vector<float> scales;
  for (size_t row = 0; row < rows; row += parts.rows) {
    const float* first = grouped.scales.data() + row * parts.across;
    scales.insert(scales.end(), first, first + parts.across);
  }
  return EncodedMatrix{.format = format,
                       .rows = rows,
                       .cols = cols,
                       .codes = OwnPlane(grouped.codes),
                       .scales = OwnPlane(std::move(scales))};
}

template <Fp8Type kType, Fp8Scale kScale>
Format Make() {
  return {.name = fmt::format("{}:{}", kTypeNames[static_cast<size_t>(kType)],
                              kScaleNames[static_cast<size_t>(kScale)]),
          .bits = 8,
          .group_size = kScale == Fp8Scale::kBlock ? kFp8Block : 0,
          .row_coding = kScale == Fp8Scale::kRow ? RowCoding::kIndependent : RowCoding::kTogether,
          .supports = SupportsEveryShape,
          .num_bytes =
              [](const Format&, size_t rows, size_t cols) {
                return rows * cols + PartsOf(kScale, rows, cols).count * sizeof(float);
              },
          .encode = Encode<kType, kScale>,
          .decode = Decode<kType, kScale>,
          .unpack = Unpack<kType, kScale>,
          .pack = Pack<kType, kScale>};
}

Result<Format> Parse(Fp8Type type, std::span<const std::string_view> parameters) {
  const std::string_view word = parameters.empty() ? kScaleNames[0] : parameters[0];
  const auto found = std::ranges::find(kScaleNames, word);
  if (found == kScaleNames.end() || parameters.size() > 1) {
    return BadInput("{} has no parameter '{}'; possible are one of row, tensor and block",
                    kTypeNames[static_cast<size_t>(type)], parameters.back());
  }
  return Fp8Format(type, static_cast<Fp8Scale>(found - kScaleNames.begin()));
}

constexpr std::string_view kSource =
    "compressed-tensors; transformers fine-grained FP8; OCP 8-bit floating point 1.0";

}  // namespace

const Format& Fp8Format(Fp8Type type, Fp8Scale scale) {
  using enum Fp8Type;
  using enum Fp8Scale;
  static const std::array<Format, 6> kFormats = {Make<kOfE4M3, kRow>(),    Make<kOfE4M3, kTensor>(),
                                                 Make<kOfE4M3, kBlock>(),  Make<kOfE5M2, kRow>(),
                                                 Make<kOfE5M2, kTensor>(), Make<kOfE5M2, kBlock>()};
  return kFormats[static_cast<size_t>(type) * kScaleNames.size() + static_cast<size_t>(scale)];
}

FormatFamily Fp8E4M3Family() {
  return {.name = "fp8_e4m3",
          .summary = "8-bit floats E4M3, a scale for a row, the tensor or a 128 x 128 block",
          .source = kSource,
          .make = [](std::span<const std::string_view> p) { return Parse(Fp8Type::kOfE4M3, p); }};
}

FormatFamily Fp8E5M2Family() {
  return {.name = "fp8_e5m2",
          .summary = "8-bit floats E5M2, a scale for a row, the tensor or a 128 x 128 block",
          .source = kSource,
          .make = [](std::span<const std::string_view> p) { return Parse(Fp8Type::kOfE5M2, p); }};
}

}  // namespace bitloss

#include "bitloss/quant/formats/mx/mx.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "bitloss/quant/formats/no_parameters.h"
#include "bitloss/quant/formats/packed_bits.h"
#include "bitloss/quant/formats/planes.h"
#include "bitloss/quant/formats/small_float.h"

namespace bitloss {
namespace {

constexpr int kScaleBias = 127;
constexpr uint8_t kNanScale = 255;

constexpr std::array kTypes = {kE2M1, kE2M3, kE3M2, kE4M3, kE5M2};
constexpr std::array<std::string_view, 5> kNames = {"mxfp4", "mxfp6:e2m3", "mxfp6:e3m2",
                                                    "mxfp8:e4m3", "mxfp8:e5m2"};

template <size_t kType>
const std::array<float, 256>& Table() {
  static const std::array<float, 256> kTable = kTypes[kType].Table();
  return kTable;
}

float ScaleOf(uint8_t byte) {
  return byte == kNanScale ? std::numeric_limits<float>::quiet_NaN()
                           : std::ldexp(1.0f, byte - kScaleBias);
}

uint8_t ScaleFor(std::span<const float> block, int largest_exponent) {
  float absmax = 0.0f;
  for (const float w : block) absmax = std::max(absmax, std::abs(w));
  if (absmax == 0.0f) return 0;
  return static_cast<uint8_t>(std::max(0, std::ilogb(absmax) - largest_exponent + kScaleBias));
}

size_t CodeBytes(const Format& format, size_t cols) { return PackedBytes(cols, format.bits); }

template <size_t kType>
Result<EncodedMatrix> Encode(const Format& format, ConstMatrixView weights) {
  BITLOSS_DO(CheckFinite(weights));
  constexpr SmallFloat kFloat = kTypes[kType];
  std::vector<uint8_t> packed(weights.rows * CodeBytes(format, weights.cols));
  std::vector<uint8_t> scales;
  std::vector<uint8_t> codes(weights.cols);
  for (size_t row = 0; row < weights.rows; ++row) {
    const std::span<const float> values = weights.Row(row);
    for (size_t first = 0; first < values.size(); first += kMxBlock) {
      const auto block = values.subspan(first, kMxBlock);
      const uint8_t scale = ScaleFor(block, kFloat.largest_exponent());
      // A power of two of at least 2^-127 has an inverse; the product is exact unless it is far
      // below the smallest element.
      const float inverse = std::ldexp(1.0f, kScaleBias - scale);
      for (size_t i = 0; i < kMxBlock; ++i) codes[first + i] = kFloat.Encode(block[i] * inverse);
      scales.push_back(scale);
    }
    PackBits(codes, format.bits, packed.data() + row * CodeBytes(format, weights.cols));
  }
  return EncodedMatrix{.format = format,
                       .rows = weights.rows,
                       .cols = weights.cols,
                       .codes = OwnPlane(std::move(packed)),
                       .scales = OwnPlane(std::move(scales))};
}

const uint8_t* CodesOfRow(const EncodedMatrix& matrix, size_t row) {
  return reinterpret_cast<const uint8_t*>(matrix.codes.data()) +
         row * CodeBytes(matrix.format, matrix.cols);
}

template <size_t kType>
void Decode(const EncodedMatrix& matrix, size_t row, size_t first_col, std::span<float> out) {
  BITLOSS_DCHECK(first_col + out.size() <= matrix.cols);
  std::vector<uint8_t> codes(out.size());
  UnpackBits(CodesOfRow(matrix, row), matrix.format.bits, first_col, codes);
  const size_t first_scale = row * (matrix.cols / kMxBlock);
  for (size_t i = 0; i < out.size(); ++i) {
    const uint8_t scale = LoadAt<uint8_t>(matrix.scales, first_scale + (first_col + i) / kMxBlock);
    out[i] = Table<kType>()[codes[i]] * ScaleOf(scale);
  }
}

template <size_t kType>
GroupedCodes Unpack(const EncodedMatrix& matrix) {
  GroupedCodes grouped{.kind = GroupedCodes::Kind::kTable,
                       .bits = matrix.format.bits,
                       .group_size = kMxBlock,
                       .codes = std::vector<uint8_t>(matrix.rows * matrix.cols)};
  for (size_t row = 0; row < matrix.rows; ++row) {
    UnpackBits(CodesOfRow(matrix, row), matrix.format.bits, 0,
               std::span(grouped.codes).subspan(row * matrix.cols, matrix.cols));
  }
  for (size_t i = 0; i < matrix.scales.size(); ++i) {
    grouped.scales.push_back(ScaleOf(LoadAt<uint8_t>(matrix.scales, i)));
  }
  grouped.table = Table<kType>();
  return grouped;
}

Result<EncodedMatrix> Pack(const Format& format, size_t rows, size_t cols,
                           const GroupedCodes& grouped) {
  std::vector<uint8_t> packed(rows * CodeBytes(format, cols));
  for (size_t row = 0; row < rows; ++row) {
    PackBits(std::span(grouped.codes).subspan(row * cols, cols), format.bits,
             packed.data() + row * CodeBytes(format, cols));
  }
  std::vector<uint8_t> scales;
  for (const float scale : grouped.scales) {
    scales.push_back(static_cast<uint8_t>(std::ilogb(scale) + kScaleBias));
  }
  return EncodedMatrix{.format = format,
                       .rows = rows,
                       .cols = cols,
                       .codes = OwnPlane(std::move(packed)),
                       .scales = OwnPlane(std::move(scales))};
}

Status Supports(const Format& format, size_t /*rows*/, size_t cols) {
  if (cols % kMxBlock == 0) return Ok();
  return Unsupported("{}: rows of {} weights do not divide into blocks of {}", format.name, cols,
                     kMxBlock);
}

size_t NumBytes(const Format& format, size_t rows, size_t cols) {
  return rows * (CodeBytes(format, cols) + cols / kMxBlock);
}

template <size_t kType>
Format Make() {
  return {.name = std::string(kNames[kType]),
          .bits = kTypes[kType].bits(),
          .group_size = kMxBlock,
          .row_coding = RowCoding::kIndependent,
          .supports = Supports,
          .num_bytes = NumBytes,
          .encode = Encode<kType>,
          .decode = Decode<kType>,
          .unpack = Unpack<kType>,
          .pack = Pack};
}

const std::array<Format, 5>& AllFormats() {
  static const std::array<Format, 5> kFormats = {Make<0>(), Make<1>(), Make<2>(), Make<3>(),
                                                 Make<4>()};
  return kFormats;
}

// Of a family whose formats are two, the first the default.
Result<Format> Parse(std::string_view family, size_t first,
                     std::span<const std::string_view> parameters) {
  if (parameters.empty()) return AllFormats()[first];
  for (size_t i = first; i < first + 2 && parameters.size() == 1; ++i) {
    if (kNames[i].ends_with(fmt::format(":{}", parameters[0]))) return AllFormats()[i];
  }
  return BadInput("{} has no parameter '{}'; possible is one of {} and {}", family,
                  parameters.back(), kNames[first].substr(family.size() + 1),
                  kNames[first + 1].substr(family.size() + 1));
}

constexpr std::string_view kSource = "OCP Microscaling formats 1.0; microxcaling";

}  // namespace

FormatFamily MxFp4Family() {
  return {.name = "mxfp4",
          .summary = "4-bit floats E2M1, a power of two for 32 weights",
          .source = kSource,
          .make = [](std::span<const std::string_view> p) {
            return WithoutParameters(AllFormats()[0], p);
          }};
}

FormatFamily MxFp6Family() {
  return {.name = "mxfp6",
          .summary = "6-bit floats E2M3 or E3M2, a power of two for 32 weights",
          .source = kSource,
          .make = [](std::span<const std::string_view> p) { return Parse("mxfp6", 1, p); }};
}

FormatFamily MxFp8Family() {
  return {.name = "mxfp8",
          .summary = "8-bit floats E4M3 or E5M2, a power of two for 32 weights",
          .source = kSource,
          .make = [](std::span<const std::string_view> p) { return Parse("mxfp8", 3, p); }};
}

}  // namespace bitloss

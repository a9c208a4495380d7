#include "bitloss/checkpoint/layouts/int_codes.h"

#include <cmath>

#include "bitloss/checkpoint/layouts/parts.h"
#include "bitloss/quant/formats/packed_bits.h"
#include "bitloss/quant/formats/planes.h"

namespace bitloss {
namespace {

// Rows of `count` codes, each packed to whole bytes.
std::vector<uint8_t> PackRows(std::span<const uint8_t> codes, size_t rows, size_t count, int bits) {
  const size_t row_bytes = PackedBytes(count, bits);
  std::vector<uint8_t> packed(rows * row_bytes);
  for (size_t row = 0; row < rows; ++row) {
    PackBits(codes.subspan(row * count, count), bits, packed.data() + row * row_bytes);
  }
  return packed;
}

}  // namespace

bool IsIntGroup(const Format& format) {
  return format.name.starts_with("int") && format.name.find("_group:") != format.name.npos &&
         format.symmetry != Symmetry::kFloatZero;
}

IntCodes UnpackIntCodes(const EncodedMatrix& matrix) {
  GroupedCodes grouped = matrix.format.unpack(matrix);
  IntCodes codes{.bits = matrix.format.bits,
                 .rows = matrix.rows,
                 .cols = matrix.cols,
                 .group_size = matrix.format.group_size,
                 .symmetry = matrix.format.symmetry,
                 .codes = std::move(grouped.codes)};
  codes.group_of = std::move(grouped.group_of);
  for (const float scale : grouped.scales) codes.scales.push_back(RoundToF16(scale));  // exact
  for (const float zero : grouped.zeros) codes.zeros.push_back(static_cast<uint8_t>(zero));
  return codes;
}

Result<Format> IntCodesFormat(int bits, size_t group_size, Symmetry symmetry, size_t cols,
                              GroupOrder order) {
  auto format = ParseFormat(fmt::format("int{}_group:{}:{}{}", bits, group_size,
                                        symmetry == Symmetry::kAsymmetric ? "asym" : "sym",
                                        order == GroupOrder::kIndexed ? ":index" : ""));
  if (!format.ok()) {
    return Unsupported("integers of {} bits in groups of {}: {}", bits, group_size,
                       format.error().message);
  }
  BITLOSS_DO(format.value().supports(format.value(), 1, cols));
  return format;
}

Status ReadGroupIndex(const SafetensorsEntry& index, IntCodes& codes) {
  std::vector<uint32_t> group_of(codes.cols);
  bool neighbours = codes.cols % codes.group_size == 0;
  for (size_t col = 0; col < codes.cols; ++col) {
    const auto group = LoadAt<int32_t>(index.bytes, col);
    if (group < 0 || static_cast<size_t>(group) >= codes.groups()) {
      return BadInput("tensor '{}': input {} belongs to group {} of {}", index.name, col, group,
                      codes.groups());
    }
    group_of[col] = static_cast<uint32_t>(group);
    neighbours &= group_of[col] == col / codes.group_size;
  }
  if (!neighbours) codes.group_of = std::move(group_of);
  return Ok();
}

Result<EncodedMatrix> PackIntCodes(const IntCodes& codes) {
  BITLOSS_TRY(
      const Format format,
      IntCodesFormat(codes.bits, codes.group_size, codes.symmetry, codes.cols,
                     codes.group_of.empty() ? GroupOrder::kNeighbours : GroupOrder::kIndexed));
  for (const F16 scale : codes.scales) {
    if (!std::isfinite(ToFloat(scale))) return BadInput("a scale is {}", ToFloat(scale));
  }
  EncodedMatrix matrix{.format = format, .rows = codes.rows, .cols = codes.cols};
  matrix.codes = OwnPlane(PackRows(codes.codes, codes.rows, codes.cols, codes.bits));
  matrix.scales = OwnPlane(codes.scales);
  if (codes.symmetry == Symmetry::kAsymmetric) {
    matrix.zeros = OwnPlane(PackRows(codes.zeros, codes.rows, codes.groups(), codes.bits));
  }
  matrix.extra = OwnPlane(codes.group_of);
  return matrix;
}

Result<std::vector<F16>> ExactF16Values(const SafetensorsEntry& part) {
  BITLOSS_TRY(const std::vector<float> values, FloatValues(part));
  std::vector<F16> exact(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    exact[i] = RoundToF16(values[i]);
    if (ToFloat(exact[i]) != values[i]) {
      return Unsupported("tensor '{}': FP16, which int_group has, does not hold the scale {}",
                         part.name, values[i]);
    }
  }
  return exact;
}

}  // namespace bitloss

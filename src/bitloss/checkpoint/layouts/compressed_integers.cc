#include "bitloss/checkpoint/layouts/compressed_integers.h"

#include <cmath>

#include "bitloss/checkpoint/layouts/int_codes.h"
#include "bitloss/checkpoint/layouts/parts.h"
#include "bitloss/quant/formats/int8_row/int8_row.h"
#include "bitloss/quant/formats/packed_bits.h"
#include "bitloss/quant/formats/planes.h"

namespace bitloss {
namespace {

constexpr uint64_t kMaxSide = uint64_t{1} << 28;

uint64_t NumWords(uint64_t count, int bits) {
  return (count * static_cast<uint64_t>(bits) + 31) / 32;
}

// ---- pack-quantized

// [rows][cols] from rows of words.
Result<std::pair<uint64_t, uint64_t>> ReadShape(const SafetensorsEntry& part) {
  const std::vector<int64_t> shape = PartValues<int64_t>(part);
  if (shape.size() != 2 || shape[0] <= 0 || shape[1] <= 0 ||
      static_cast<uint64_t>(shape[0]) > kMaxSide || static_cast<uint64_t>(shape[1]) > kMaxSide) {
    return BadInput("tensor '{}' holds [{}], not the shape of a matrix", part.name,
                    fmt::join(shape, ", "));
  }
  return std::pair<uint64_t, uint64_t>(shape[0], shape[1]);
}

// Codes of zero points [rows][groups] from words [rows * bits / 32 up][groups].
std::vector<uint8_t> UnpackZeros(const SafetensorsEntry& part, size_t rows, size_t groups,
                                 int bits) {
  const size_t num_words = part.shape[0];
  std::vector<uint8_t> zeros(rows * groups), column(rows);
  std::vector<uint32_t> run(num_words);
  for (size_t g = 0; g < groups; ++g) {
    for (size_t i = 0; i < num_words; ++i) run[i] = LoadAt<uint32_t>(part.bytes, i * groups + g);
    UnpackBits(reinterpret_cast<const uint8_t*>(run.data()), bits, 0, column);
    for (size_t row = 0; row < rows; ++row) zeros[row * groups + g] = column[row];
  }
  return zeros;
}

struct PackedParts {
  SafetensorsEntry packed, scale;
  std::optional<SafetensorsEntry> zero_point, g_idx;
};

// Whether an index was ever filled in: -1 throughout means neighbours.
bool NamesGroups(const SafetensorsEntry& g_idx) {
  return std::ranges::any_of(PartValues<int32_t>(g_idx), [](int32_t group) { return group >= 0; });
}

Result<EncodedMatrix> LoadPacked(const PackedParts& parts, int bits, size_t rows, size_t cols) {
  const size_t groups = parts.scale.shape[1];
  IntCodes codes{.bits = bits, .rows = rows, .cols = cols, .group_size = cols / groups};
  codes.codes.resize(rows * cols);
  const size_t row_bytes = parts.packed.shape[1] * sizeof(uint32_t);
  for (size_t row = 0; row < rows; ++row) {
    UnpackBits(reinterpret_cast<const uint8_t*>(parts.packed.bytes.data()) + row * row_bytes, bits,
               0, std::span(codes.codes).subspan(row * cols, cols));
  }
  BITLOSS_TRY(codes.scales, ExactF16Values(parts.scale));
  codes.symmetry = parts.zero_point ? Symmetry::kAsymmetric : Symmetry::kSymmetric;
  codes.zeros = parts.zero_point
                    ? UnpackZeros(*parts.zero_point, rows, groups, bits)
                    : std::vector<uint8_t>(rows * groups, static_cast<uint8_t>(1 << (bits - 1)));
  if (parts.g_idx && NamesGroups(*parts.g_idx)) BITLOSS_DO(ReadGroupIndex(*parts.g_idx, codes));
  return PackIntCodes(codes);
}

// ---- int-quantized

// The absmax that int8_row's decoder makes this scale of; none if no float32 does.
std::optional<float> AbsMaxOf(float scale) {
  const float near = scale * 127.0f;
  float candidate = std::nextafter(std::nextafter(near, 0.0f), 0.0f);
  for (int i = 0; i < 5; ++i, candidate = std::nextafter(candidate, INFINITY)) {
    if (Int8RowScale(candidate) == scale) return candidate;
  }
  return std::nullopt;
}

// In int8_group with a group for each row, where FP16 holds the scales.
Result<EncodedMatrix> LoadInt8Groups(const SafetensorsEntry& weight,
                                     const SafetensorsEntry& scale) {
  const size_t rows = weight.shape[0], cols = weight.shape[1];
  IntCodes codes{
      .bits = 8, .rows = rows, .cols = cols, .group_size = cols, .symmetry = Symmetry::kSymmetric};
  for (const int8_t code : PartValues<int8_t>(weight)) {
    codes.codes.push_back(static_cast<uint8_t>(code + 128));
  }
  BITLOSS_TRY(codes.scales, ExactF16Values(scale));
  if (codes.scales.size() == 1) codes.scales.assign(rows, codes.scales[0]);
  codes.zeros.assign(rows, 128);
  return PackIntCodes(codes);
}

Result<EncodedMatrix> LoadInt8(const SafetensorsEntry& weight, const SafetensorsEntry& scale) {
  const size_t rows = weight.shape[0];
  BITLOSS_TRY(std::vector<float> scales, FloatValues(scale));
  if (scales.size() == 1) scales.assign(rows, scales[0]);
  for (float& value : scales) {
    const std::optional<float> absmax = AbsMaxOf(value);
    if (!absmax) return LoadInt8Groups(weight, scale);
    value = *absmax;
  }
  return EncodedMatrix{.format = Int8RowFormat(),
                       .rows = rows,
                       .cols = weight.shape[1],
                       .codes = weight.bytes,
                       .scales = OwnPlane(std::move(scales))};
}

// ---- written

Result<std::vector<SafetensorsEntry>> WriteInt8(const std::string& module,
                                                const EncodedMatrix& matrix) {
  std::vector<float> scales(matrix.rows);
  for (size_t row = 0; row < matrix.rows; ++row) {
    scales[row] = Int8RowScale(LoadAt<float>(matrix.scales, row));
  }
  return std::vector<SafetensorsEntry>{
      MakePart(module + ".weight", "I8", {matrix.rows, matrix.cols}, matrix.codes),
      MakePart(module + ".weight_scale", "F32", {matrix.rows, 1}, OwnPlane(std::move(scales)))};
}

SharedBytes PackCodeRows(const IntCodes& codes) {
  const size_t row_words = NumWords(codes.cols, codes.bits);
  std::vector<uint32_t> words(codes.rows * row_words);
  for (size_t row = 0; row < codes.rows; ++row) {
    PackBits(std::span(codes.codes).subspan(row * codes.cols, codes.cols), codes.bits,
             reinterpret_cast<uint8_t*>(words.data() + row * row_words));
  }
  return OwnPlane(std::move(words));
}

SharedBytes PackZeroColumns(const IntCodes& codes) {
  const size_t groups = codes.groups();
  const size_t num_words = NumWords(codes.rows, codes.bits);
  std::vector<uint32_t> words(num_words * groups), run(num_words);
  std::vector<uint8_t> column(codes.rows);
  for (size_t g = 0; g < groups; ++g) {
    for (size_t row = 0; row < codes.rows; ++row) column[row] = codes.zeros[row * groups + g];
    PackBits(column, codes.bits, reinterpret_cast<uint8_t*>(run.data()));
    for (size_t i = 0; i < num_words; ++i) words[i * groups + g] = run[i];
  }
  return OwnPlane(std::move(words));
}

}  // namespace

Status ReadPackedIntegers(const StoredTensors& tensors, const std::string& module,
                          const PackedOptions& options, QuantizedTensors& to) {
  const int bits = options.bits;
  BITLOSS_TRY(const SafetensorsEntry* shape,
              FindPart(tensors, module + ".weight_shape", {"I64"}, {2}));
  BITLOSS_TRY(const auto sides, ReadShape(*shape));
  const auto [rows, cols] = sides;
  BITLOSS_TRY(const SafetensorsEntry* packed,
              FindPart(tensors, module + ".weight_packed", {"I32"}, {rows, NumWords(cols, bits)}));
  BITLOSS_TRY(const SafetensorsEntry* scale,
              FindPart(tensors, module + ".weight_scale", {"F16", "BF16", "F32"}));
  if (scale->shape.size() != 2 || scale->shape[0] != rows || scale->shape[1] == 0 ||
      cols % scale->shape[1] != 0) {
    return BadInput("tensor '{}' has shape [{}], which is not one of groups of [{}, {}]",
                    scale->name, fmt::join(scale->shape, ", "), rows, cols);
  }
  const uint64_t groups = scale->shape[1];
  if (const auto format = IntCodesFormat(bits, cols / groups, Symmetry::kAsymmetric, cols);
      !format.ok()) {
    return Within(fmt::format("tensor '{}'", packed->name), format.error());
  }
  BITLOSS_TRY(const SafetensorsEntry* zero_point,
              FindOptionalPart(tensors, module + ".weight_zero_point", {"I32"},
                               {NumWords(rows, bits), groups}));
  BITLOSS_TRY(const SafetensorsEntry* g_idx,
              FindOptionalPart(tensors, module + ".weight_g_idx", {"I32"}, {cols}));
  if (zero_point == nullptr && options.has_zero_points) {
    return BadInput("tensor '{}.weight_zero_point' is missing: the config is asymmetric", module);
  }
  PackedParts parts{*packed, *scale, std::nullopt, std::nullopt};
  if (zero_point != nullptr) parts.zero_point = *zero_point;
  if (g_idx != nullptr) parts.g_idx = *g_idx;
  AddMatrix(module + ".weight",
            {.type = fmt::format("int{}_packed", bits),
             .rows = rows,
             .cols = cols,
             .load = [parts, bits, rows = rows,
                      cols = cols] { return LoadPacked(parts, bits, rows, cols); }},
            {packed, scale, shape, zero_point, g_idx}, to);
  return Ok();
}

Status ReadInt8(const StoredTensors& tensors, const std::string& module, QuantizedTensors& to) {
  if (tensors.contains(module + ".weight_zero_point")) {
    return Unsupported("tensor '{}.weight_zero_point': int8 weights with zero points are not read",
                       module);
  }
  BITLOSS_TRY(const SafetensorsEntry* weight, FindPart(tensors, module + ".weight", {"I8"}));
  if (weight->shape.size() != 2 || weight->bytes.empty()) {
    return BadInput("tensor '{}' is not a matrix", weight->name);
  }
  BITLOSS_TRY(const SafetensorsEntry* scale,
              FindPart(tensors, module + ".weight_scale", {"F32", "F16", "BF16"}));
  const uint64_t num_scales = scale->shape.empty() ? 1 : scale->shape[0];
  const bool flat = scale->shape.size() < 2 || (scale->shape.size() == 2 && scale->shape[1] == 1);
  if (!flat || (num_scales != 1 && num_scales != weight->shape[0])) {
    return BadInput("tensor '{}' has shape [{}], neither one scale nor one for each of {} rows",
                    scale->name, fmt::join(scale->shape, ", "), weight->shape[0]);
  }
  AddMatrix(module + ".weight",
            {.type = "int8",
             .rows = weight->shape[0],
             .cols = weight->shape[1],
             .load = [weight = *weight, scale = *scale] { return LoadInt8(weight, scale); }},
            {weight, scale}, to);
  return Ok();
}

bool HoldsCompressedIntegers(const Format& format) {
  return format.name == Int8RowFormat().name ||
         (IsIntGroup(format) && format.group_order == GroupOrder::kNeighbours);
}

Result<std::vector<SafetensorsEntry>> WriteCompressedIntegers(const std::string& module,
                                                              const EncodedMatrix& matrix) {
  if (!IsIntGroup(matrix.format)) return WriteInt8(module, matrix);
  const IntCodes codes = UnpackIntCodes(matrix);
  const uint64_t groups = codes.groups();
  std::vector<SafetensorsEntry> parts = {
      MakePart(module + ".weight_packed", "I32", {codes.rows, NumWords(codes.cols, codes.bits)},
               PackCodeRows(codes)),
      MakePart(module + ".weight_scale", "F16", {codes.rows, groups}, OwnPlane(codes.scales)),
      MakePart(module + ".weight_shape", "I64", {2},
               OwnPlane(std::vector<int64_t>{static_cast<int64_t>(codes.rows),
                                             static_cast<int64_t>(codes.cols)}))};
  if (codes.symmetry == Symmetry::kAsymmetric) {
    parts.push_back(MakePart(module + ".weight_zero_point", "I32",
                             {NumWords(codes.rows, codes.bits), groups}, PackZeroColumns(codes)));
  }
  return parts;
}

CompressedScheme SchemeOfCompressedIntegers(const Format& format) {
  if (!IsIntGroup(format)) return {"int-quantized", "int", "channel", true};
  return {"pack-quantized", "int", "group", format.symmetry != Symmetry::kAsymmetric};
}

}  // namespace bitloss

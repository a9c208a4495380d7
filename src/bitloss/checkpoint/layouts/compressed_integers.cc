#include "bitloss/checkpoint/layouts/compressed_integers.h"

#include <algorithm>

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

// The same where no code straddles words, as compressed-tensors packed them until 2026.
uint64_t NumWholeWords(uint64_t count, int bits) {
  const auto per_word = static_cast<uint64_t>(32 / bits);
  return (count + per_word - 1) / per_word;
}

// Codes from a run of words, of which there may be one or the other number.
void UnpackWords(std::span<const uint32_t> words, int bits, std::span<uint8_t> codes) {
  if (words.size() == NumWords(codes.size(), bits)) {
    UnpackBits(reinterpret_cast<const uint8_t*>(words.data()), bits, 0, codes);
    return;
  }
  const auto per_word = static_cast<size_t>(32 / bits);
  const uint32_t mask = (uint32_t{1} << bits) - 1;
  for (size_t i = 0; i < codes.size(); ++i) {
    codes[i] = static_cast<uint8_t>((words[i / per_word] >> (bits * (i % per_word))) & mask);
  }
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

// Codes of zero points [rows][groups] from words down the columns, or from int8 values.
Result<std::vector<uint8_t>> ReadZeros(const SafetensorsEntry& part, size_t rows, size_t groups,
                                       int bits) {
  std::vector<uint8_t> zeros(rows * groups), column(rows);
  if (part.stored_type == "I8") {
    const int half = 1 << (bits - 1);
    const std::vector<int8_t> values = PartValues<int8_t>(part);
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] < -half || values[i] >= half) {
        return BadInput("tensor '{}': {} is no zero point of {} bits", part.name, values[i], bits);
      }
      zeros[i] = static_cast<uint8_t>(values[i] + half);
    }
    return zeros;
  }
  const size_t num_words = part.shape[0];
  std::vector<uint32_t> run(num_words);
  for (size_t g = 0; g < groups; ++g) {
    for (size_t i = 0; i < num_words; ++i) run[i] = LoadAt<uint32_t>(part.bytes, i * groups + g);
    UnpackWords(run, bits, column);
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
  std::vector<uint32_t> words(parts.packed.shape[1]);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t i = 0; i < words.size(); ++i) {
      words[i] = LoadAt<uint32_t>(parts.packed.bytes, row * words.size() + i);
    }
    UnpackWords(words, bits, std::span(codes.codes).subspan(row * cols, cols));
  }
  BITLOSS_TRY(codes.scales, ExactF16Values(parts.scale));
  codes.zeros.assign(rows * groups, static_cast<uint8_t>(1 << (bits - 1)));
  if (parts.zero_point) {
    BITLOSS_TRY(codes.zeros, ReadZeros(*parts.zero_point, rows, groups, bits));
  }
  codes.symmetry = parts.zero_point ? Symmetry::kAsymmetric : Symmetry::kSymmetric;
  if (parts.g_idx && NamesGroups(*parts.g_idx)) BITLOSS_DO(ReadGroupIndex(*parts.g_idx, codes));
  return PackIntCodes(codes);
}

// ---- int-quantized

struct Int8Parts {
  SafetensorsEntry weight, scale;
  std::optional<SafetensorsEntry> zero_point;
  size_t groups = 1;  // of a row
};

// Values [rows][groups] from one for all, or from as many.
template <class T>
std::vector<T> ForEachGroup(std::vector<T> values, size_t count) {
  if (values.size() == 1) values.assign(count, values[0]);
  return values;
}

// In int8_group, where FP16 holds the scales.
Result<EncodedMatrix> LoadInt8Groups(const Int8Parts& parts) {
  const size_t rows = parts.weight.shape[0], cols = parts.weight.shape[1];
  IntCodes codes{.bits = 8,
                 .rows = rows,
                 .cols = cols,
                 .group_size = cols / parts.groups,
                 .symmetry = parts.zero_point ? Symmetry::kAsymmetric : Symmetry::kSymmetric};
  for (const int8_t code : PartValues<int8_t>(parts.weight)) {
    codes.codes.push_back(static_cast<uint8_t>(code + 128));
  }
  BITLOSS_TRY(std::vector<F16> scales, ExactF16Values(parts.scale));
  codes.scales = ForEachGroup(std::move(scales), rows * parts.groups);
  codes.zeros.assign(rows * parts.groups, 128);
  if (parts.zero_point) {
    BITLOSS_TRY(std::vector<uint8_t> zeros,
                ReadZeros(*parts.zero_point, parts.zero_point->bytes.size(), 1, 8));
    codes.zeros = ForEachGroup(std::move(zeros), rows * parts.groups);
  }
  return PackIntCodes(codes);
}

Result<EncodedMatrix> LoadInt8(const Int8Parts& parts) {
  if (parts.groups > 1 || parts.zero_point) return LoadInt8Groups(parts);
  const size_t rows = parts.weight.shape[0];
  BITLOSS_TRY(std::vector<float> scales, FloatValues(parts.scale));
  scales = ForEachGroup(std::move(scales), rows);
  for (float& value : scales) {
    const std::optional<float> absmax = Int8RowAbsMax(value);
    if (!absmax) return LoadInt8Groups(parts);
    value = *absmax;
  }
  return EncodedMatrix{.format = Int8RowFormat(),
                       .rows = rows,
                       .cols = parts.weight.shape[1],
                       .codes = parts.weight.bytes,
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

// Packed in words, or int8 as compressed-tensors left them until 2025. Null: there are none.
Result<const SafetensorsEntry*> FindZeroPoint(const StoredTensors& tensors,
                                              const std::string& module, uint64_t rows,
                                              uint64_t groups, uint64_t num_words) {
  const std::string name = module + ".weight_zero_point";
  const auto found = tensors.find(name);
  if (found != tensors.end() && found->second.stored_type == "I8") {
    return FindPart(tensors, name, {"I8"}, {rows, groups});
  }
  return FindOptionalPart(tensors, name, {"I32"}, {num_words, groups});
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
              FindPart(tensors, module + ".weight_packed", {"I32"}));
  const auto is_packed_in = [&, rows = rows](uint64_t num_words) {
    return packed->shape == std::vector<uint64_t>{rows, num_words};
  };
  const bool whole_words =
      !is_packed_in(NumWords(cols, bits)) && is_packed_in(NumWholeWords(cols, bits));
  if (!whole_words) {
    BITLOSS_TRY(packed, FindPart(tensors, module + ".weight_packed", {"I32"},
                                 {rows, NumWords(cols, bits)}));
  }
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
              FindZeroPoint(tensors, module, rows, groups,
                            whole_words ? NumWholeWords(rows, bits) : NumWords(rows, bits)));
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
  BITLOSS_TRY(const SafetensorsEntry* weight, FindPart(tensors, module + ".weight", {"I8"}));
  if (weight->shape.size() != 2 || weight->bytes.empty()) {
    return BadInput("tensor '{}' is not a matrix", weight->name);
  }
  const uint64_t rows = weight->shape[0], cols = weight->shape[1];
  BITLOSS_TRY(const SafetensorsEntry* scale,
              FindPart(tensors, module + ".weight_scale", {"F32", "F16", "BF16"}));
  const std::vector<uint64_t>& shape = scale->shape;
  const uint64_t groups = shape.size() == 2 ? shape[1] : 1;
  const uint64_t num_scales = shape.empty() ? 1 : shape[0];
  const bool one = num_scales == 1 && groups == 1;
  if (shape.size() > 2 || groups == 0 || cols % groups != 0 || (!one && num_scales != rows)) {
    return BadInput(
        "tensor '{}' has shape [{}], neither one scale nor one for each of {} rows or their groups",
        scale->name, fmt::join(shape, ", "), rows);
  }
  if (const auto format = IntCodesFormat(8, cols / groups, Symmetry::kAsymmetric, cols);
      groups > 1 && !format.ok()) {
    return Within(fmt::format("tensor '{}'", scale->name), format.error());
  }
  Int8Parts parts{*weight, *scale, std::nullopt, groups};
  const SafetensorsEntry* zero_point = nullptr;
  if (tensors.contains(module + ".weight_zero_point")) {
    BITLOSS_TRY(zero_point, FindPart(tensors, module + ".weight_zero_point", {"I8"}));
    if (zero_point->shape != shape) {
      return BadInput("tensor '{}' has shape [{}], not that of '{}', [{}]", zero_point->name,
                      fmt::join(zero_point->shape, ", "), scale->name, fmt::join(shape, ", "));
    }
    const std::vector<int8_t> zeros = PartValues<int8_t>(*zero_point);
    // Zeros are what symmetric weights may have stored beside them.
    if (std::ranges::any_of(zeros, [](int8_t zero) { return zero != 0; })) {
      parts.zero_point = *zero_point;
    }
  }
  AddMatrix(module + ".weight",
            {.type = groups > 1 || parts.zero_point ? "int8_groups" : "int8",
             .rows = rows,
             .cols = cols,
             .load = [parts] { return LoadInt8(parts); }},
            {weight, scale, zero_point}, to);
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

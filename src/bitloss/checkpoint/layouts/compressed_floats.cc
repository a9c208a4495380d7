#include "bitloss/checkpoint/layouts/compressed_floats.h"

#include <algorithm>
#include <array>

#include "bitloss/checkpoint/layouts/parts.h"
#include "bitloss/quant/formats/planes.h"

namespace bitloss {
namespace {

constexpr uint64_t kBlock = 128;

// Formats in small groups, whose codes and scales are stored as they are packed here.
struct GroupedFloats {
  std::string_view name;    // of our format
  std::string_view format;  // compressed-tensors' name
  int bits;
  uint64_t group;
  std::string_view codes;  // "<module>.weight_packed"
  std::string_view codes_type;
  std::string_view scale_type;
  std::string_view scale_dtype;  // in the config
};
constexpr std::array kGroupedFloats = {
    GroupedFloats{"nvfp4", "nvfp4-pack-quantized", 4, 16, ".weight_packed", "U8", "F8_E4M3",
                  "torch.float8_e4m3fn"},
    GroupedFloats{"mxfp4", "mxfp4-pack-quantized", 4, 32, ".weight_packed", "U8", "U8",
                  "torch.uint8"},
    GroupedFloats{"mxfp6:e2m3", "mxfp6-pack-quantized", 6, 32, ".weight_packed", "U8", "U8",
                  "torch.uint8"},
    GroupedFloats{"mxfp8:e4m3", "mxfp8-quantized", 8, 32, ".weight", "F8_E4M3", "U8",
                  "torch.uint8"},
};
constexpr const GroupedFloats& kNvFp4 = kGroupedFloats[0];

const GroupedFloats* FindGroupedFloats(const Format& format) {
  const auto found = std::ranges::find(kGroupedFloats, format.name, &GroupedFloats::name);
  return found == kGroupedFloats.end() ? nullptr : &*found;
}

// The bytes of a row of codes.
uint64_t RowBytes(const GroupedFloats& kind, uint64_t cols) {
  return cols * static_cast<uint64_t>(kind.bits) / 8;
}

// What rows of codes and rows of scales of these lengths are; null if nothing that is read.
const GroupedFloats* KindOf(const SafetensorsEntry& codes, const SafetensorsEntry& scale,
                            bool has_global_scale) {
  if (scale.shape.size() != 2) return nullptr;
  const auto found = std::ranges::find_if(kGroupedFloats, [&](const GroupedFloats& kind) {
    return has_global_scale == (&kind == &kNvFp4) && codes.stored_type == kind.codes_type &&
           codes.shape[1] == RowBytes(kind, scale.shape[1] * kind.group);
  });
  return found == kGroupedFloats.end() ? nullptr : &*found;
}

// What FP8 scales of this shape belong to: "tensor", "row", "block"; empty if to none.
std::string_view StrategyOf(const std::vector<uint64_t>& shape, uint64_t rows, uint64_t cols) {
  const std::vector<uint64_t> blocks = {(rows + kBlock - 1) / kBlock, (cols + kBlock - 1) / kBlock};
  if (shape.empty() || shape == std::vector<uint64_t>{1}) return "tensor";
  if (shape == std::vector<uint64_t>{rows, 1} || shape == std::vector<uint64_t>{rows}) return "row";
  if (shape == blocks) return "block";
  if (shape == std::vector<uint64_t>{1, 1}) return "tensor";
  return "";
}

Result<EncodedMatrix> LoadFp8(const SafetensorsEntry& weight, const SafetensorsEntry& scale,
                              std::string_view strategy) {
  BITLOSS_TRY(const Format format, ParseFormat(fmt::format("fp8_e4m3:{}", strategy)));
  BITLOSS_TRY(std::vector<float> scales, FloatValues(scale));
  return EncodedMatrix{.format = format,
                       .rows = weight.shape[0],
                       .cols = weight.shape[1],
                       .codes = weight.bytes,
                       .scales = OwnPlane(std::move(scales))};
}

Result<EncodedMatrix> LoadGroups(const GroupedFloats& kind, const SafetensorsEntry& codes,
                                 const SafetensorsEntry& scale,
                                 const std::optional<SafetensorsEntry>& global_scale) {
  BITLOSS_TRY(const Format format, ParseFormat(kind.name));
  EncodedMatrix matrix{.format = format,
                       .rows = codes.shape[0],
                       .cols = scale.shape[1] * kind.group,
                       .codes = codes.bytes,
                       .scales = scale.bytes};
  if (global_scale) {
    BITLOSS_TRY(std::vector<float> value, FloatValues(*global_scale));
    matrix.extra = OwnPlane(std::move(value));
  }
  return matrix;
}

}  // namespace

Status ReadFp8(const StoredTensors& tensors, const std::string& module, std::string_view scale_name,
               QuantizedTensors& to) {
  BITLOSS_TRY(const SafetensorsEntry* weight, FindPart(tensors, module + ".weight", {"F8_E4M3"}));
  if (weight->shape.size() != 2 || weight->bytes.empty()) {
    return BadInput("tensor '{}' is not a matrix", weight->name);
  }
  BITLOSS_TRY(const SafetensorsEntry* scale,
              FindPart(tensors, fmt::format("{}.{}", module, scale_name), {"F32", "F16", "BF16"}));
  const std::string_view strategy = StrategyOf(scale->shape, weight->shape[0], weight->shape[1]);
  if (strategy.empty()) {
    return BadInput(
        "tensor '{}' has shape [{}]: not one scale, one for each of {} rows, or one for each block "
        "of {} x {}",
        scale->name, fmt::join(scale->shape, ", "), weight->shape[0], kBlock, kBlock);
  }
  AddMatrix(module + ".weight",
            {.type = fmt::format("fp8_e4m3:{}", strategy),
             .rows = weight->shape[0],
             .cols = weight->shape[1],
             .load = [weight = *weight, scale = *scale,
                      strategy] { return LoadFp8(weight, scale, strategy); }},
            {weight, scale}, to);
  return Ok();
}

Status ReadGroupedFloats(const StoredTensors& tensors, const std::string& module,
                         std::string_view codes_name, QuantizedTensors& to) {
  BITLOSS_TRY(const SafetensorsEntry* codes,
              FindPart(tensors, fmt::format("{}{}", module, codes_name), {"U8", "F8_E4M3"}));
  if (codes->shape.size() != 2 || codes->bytes.empty()) {
    return BadInput("tensor '{}' is not a matrix", codes->name);
  }
  BITLOSS_TRY(const SafetensorsEntry* scale,
              FindPart(tensors, module + ".weight_scale", {"U8", "F8_E8M0", "F8_E4M3"}));
  const bool has_global = scale->stored_type == kNvFp4.scale_type;
  const SafetensorsEntry* global_scale = nullptr;
  if (has_global) {
    BITLOSS_TRY(global_scale, FindPart(tensors, module + ".weight_global_scale", {"F32"}, {1}));
  }
  const GroupedFloats* kind = KindOf(*codes, *scale, has_global);
  if (kind == nullptr || scale->shape[0] != codes->shape[0]) {
    return BadInput("tensor '{}' has shape [{}], which is not one of groups of '{}', [{}]",
                    scale->name, fmt::join(scale->shape, ", "), codes->name,
                    fmt::join(codes->shape, ", "));
  }
  std::optional<SafetensorsEntry> global;
  if (has_global) global = *global_scale;
  AddMatrix(module + ".weight",
            {.type = std::string(kind->name),
             .rows = codes->shape[0],
             .cols = scale->shape[1] * kind->group,
             .load = [kind, codes = *codes, scale = *scale,
                      global] { return LoadGroups(*kind, codes, scale, global); }},
            {codes, scale, global_scale}, to);
  return Ok();
}

bool HoldsCompressedFloats(const Format& format) {
  return format.name.starts_with("fp8_e4m3") || FindGroupedFloats(format) != nullptr;
}

std::vector<SafetensorsEntry> WriteFp8(const std::string& module, std::string_view scale_name,
                                       const EncodedMatrix& matrix) {
  std::vector<uint64_t> shape = {1};
  if (matrix.format.name.ends_with(":row")) shape = {matrix.rows, 1};
  if (matrix.format.name.ends_with(":block")) {
    shape = {(matrix.rows + kBlock - 1) / kBlock, (matrix.cols + kBlock - 1) / kBlock};
  }
  return {MakePart(module + ".weight", "F8_E4M3", {matrix.rows, matrix.cols}, matrix.codes),
          MakePart(fmt::format("{}.{}", module, scale_name), "F32", shape, matrix.scales)};
}

Result<std::vector<SafetensorsEntry>> WriteCompressedFloats(const std::string& module,
                                                            const EncodedMatrix& matrix) {
  const GroupedFloats* kind = FindGroupedFloats(matrix.format);
  if (kind == nullptr) return WriteFp8(module, "weight_scale", matrix);
  std::vector<SafetensorsEntry> parts = {
      MakePart(fmt::format("{}{}", module, kind->codes), kind->codes_type,
               {matrix.rows, RowBytes(*kind, matrix.cols)}, matrix.codes),
      MakePart(module + ".weight_scale", kind->scale_type, {matrix.rows, matrix.cols / kind->group},
               matrix.scales)};
  if (kind == &kNvFp4) {
    parts.push_back(MakePart(module + ".weight_global_scale", "F32", {1}, matrix.extra));
  }
  return parts;
}

CompressedScheme SchemeOfCompressedFloats(const Format& format) {
  if (const GroupedFloats* kind = FindGroupedFloats(format)) {
    const std::string_view strategy = kind == &kNvFp4 ? "tensor_group" : "group";
    return {kind->format, "float", strategy, true, kind->scale_dtype};
  }
  const std::string_view strategy = format.name.ends_with(":row")     ? "channel"
                                    : format.name.ends_with(":block") ? "block"
                                                                      : "tensor";
  return {"float-quantized", "float", strategy, true};
}

}  // namespace bitloss

#include "bitloss/checkpoint/layouts/compressed_floats.h"

#include "bitloss/checkpoint/layouts/parts.h"
#include "bitloss/quant/formats/planes.h"

namespace bitloss {
namespace {

constexpr uint64_t kBlock = 128;
constexpr uint64_t kNvFp4Group = 16;
constexpr uint64_t kMxFp4Group = 32;

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

Result<EncodedMatrix> LoadFp4(std::string_view format_name, const SafetensorsEntry& packed,
                              const SafetensorsEntry& scale,
                              const std::optional<SafetensorsEntry>& global_scale) {
  BITLOSS_TRY(const Format format, ParseFormat(format_name));
  EncodedMatrix matrix{.format = format,
                       .rows = packed.shape[0],
                       .cols = packed.shape[1] * 2,
                       .codes = packed.bytes,
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

Status ReadPackedFp4(const StoredTensors& tensors, const std::string& module,
                     QuantizedTensors& to) {
  BITLOSS_TRY(const SafetensorsEntry* packed, FindPart(tensors, module + ".weight_packed", {"U8"}));
  if (packed->shape.size() != 2 || packed->bytes.empty()) {
    return BadInput("tensor '{}' is not a matrix", packed->name);
  }
  const uint64_t rows = packed->shape[0], cols = packed->shape[1] * 2;
  BITLOSS_TRY(const SafetensorsEntry* global_scale,
              FindOptionalPart(tensors, module + ".weight_global_scale", {"F32"}, {1}));
  const bool is_nvfp4 = global_scale != nullptr;
  const uint64_t group = is_nvfp4 ? kNvFp4Group : kMxFp4Group;
  if (cols % group != 0) {
    return BadInput("tensor '{}': rows of {} weights are not whole groups of {}", packed->name,
                    cols, group);
  }
  BITLOSS_TRY(const SafetensorsEntry* scale,
              FindPart(tensors, module + ".weight_scale",
                       {is_nvfp4 ? "F8_E4M3" : "U8", is_nvfp4 ? "F8_E4M3" : "F8_E8M0"},
                       {rows, cols / group}));
  std::optional<SafetensorsEntry> global;
  if (is_nvfp4) global = *global_scale;
  const std::string format = is_nvfp4 ? "nvfp4" : "mxfp4";
  AddMatrix(module + ".weight",
            {.type = format,
             .rows = rows,
             .cols = cols,
             .load = [format, packed = *packed, scale = *scale,
                      global] { return LoadFp4(format, packed, scale, global); }},
            {packed, scale, global_scale}, to);
  return Ok();
}

bool HoldsCompressedFloats(const Format& format) { return format.name.starts_with("fp8_e4m3"); }

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
  return WriteFp8(module, "weight_scale", matrix);
}

CompressedScheme SchemeOfCompressedFloats(const Format& format) {
  const std::string_view strategy = format.name.ends_with(":row")     ? "channel"
                                    : format.name.ends_with(":block") ? "block"
                                                                      : "tensor";
  return {"float-quantized", "float", strategy, true};
}

}  // namespace bitloss

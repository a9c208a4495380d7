#include "bitloss/checkpoint/layouts/compressed_tensors.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "bitloss/checkpoint/layouts/compressed_arguments.h"
#include "bitloss/checkpoint/layouts/compressed_floats.h"
#include "bitloss/checkpoint/layouts/compressed_integers.h"
#include "bitloss/checkpoint/layouts/int_codes.h"
#include "bitloss/checkpoint/layouts/parts.h"
#include "bitloss/quant/formats/planes.h"

namespace bitloss {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

// What the groups of a config agree on.
struct Options {
  PackedOptions packed;                        // bits 0: no such group
  std::vector<std::string> inputs = {};        // what the groups round inputs of linears to
  std::set<std::string_view> executions = {};  // that do so; empty: a group that none does
  std::string formats = {};
  StoredQuantization quantization = {};  // notes, and what nothing here runs
};

Status ReadGroup(const Json& group, const Json& default_format, Options& options) {
  if (!group.is_object()) return BadInput("quantization_config: a config group is not an object");
  const Json& format =
      group.contains("format") && group["format"].is_string() ? group["format"] : default_format;
  if (!format.is_string()) return BadInput("quantization_config: 'format' is not a string");
  const std::string name = format.get<std::string>();
  constexpr std::array kRead = {
      "pack-quantized",       "int-quantized",        "float-quantized",      "naive-quantized",
      "nvfp4-pack-quantized", "mxfp4-pack-quantized", "mxfp6-pack-quantized", "mxfp8-quantized"};
  if (std::ranges::find(kRead, name) == kRead.end()) {
    return Unsupported("compressed-tensors format '{}'; read are {}", name.substr(0, 30),
                       fmt::join(kRead, ", "));
  }
  options.formats += (options.formats.empty() ? "" : ", ") + name;
  NoteUnknownEntries(group, "a config group",
                     {"targets", "weights", "input_activations", "output_activations", "format"},
                     options.quantization);
  const auto inputs = group.find("input_activations");
  const bool quantizes_inputs = inputs != group.end() && !inputs->is_null();
  if (quantizes_inputs) options.inputs.push_back(DescribeRounding(*inputs));
  if (const auto outputs = group.find("output_activations");
      outputs != group.end() && !outputs->is_null()) {
    AddNotRun("outputs of linears rounded to " + DescribeRounding(*outputs), options.quantization);
  }
  const auto weights = group.find("weights");
  options.executions.insert(quantizes_inputs && weights != group.end()
                                ? ExecutionOfGroup(*weights, *inputs)
                                : std::string_view());
  if (name != "pack-quantized") return Ok();
  if (weights == group.end() || !weights->is_object()) {
    return BadInput("quantization_config: a config group has no 'weights'");
  }
  BITLOSS_TRY(const uint64_t bits, UintOption(*weights, "num_bits", std::nullopt));
  if (bits < 2 || bits > 8) return Unsupported("compressed-tensors with {} bits", bits);
  if (options.packed.bits != 0 && options.packed.bits != static_cast<int>(bits)) {
    return Unsupported("compressed-tensors with packed groups of {} and {} bits",
                       options.packed.bits, bits);
  }
  BITLOSS_TRY(const bool symmetric, BoolOption(*weights, "symmetric", true));
  const bool first = options.packed.bits == 0;
  options.packed.has_zero_points = !symmetric && (first || options.packed.has_zero_points);
  options.packed.bits = static_cast<int>(bits);
  return Ok();
}

// What changes the weights' meaning or the model's graph and is not read.
Status CheckIsPlain(const Json& config) {
  if (const auto sparsity = config.find("sparsity_config");
      sparsity != config.end() && sparsity->is_object() && !sparsity->empty() &&
      sparsity->value("format", Json()) != "dense") {
    return Unsupported("compressed-tensors with a sparsity_config, which is not read");
  }
  if (const auto transform = config.find("transform_config");
      transform != config.end() && !transform->is_null() && !transform->empty()) {
    return Unsupported("compressed-tensors with a transform_config, which is not read");
  }
  return Ok();
}

Result<Options> ReadOptions(const Json& config) {
  BITLOSS_DO(CheckIsPlain(config));
  const auto groups = config.find("config_groups");
  if (groups == config.end() || !groups->is_object() || groups->empty()) {
    return BadInput("quantization_config has no 'config_groups'");
  }
  Options options;
  NoteUnknownEntries(config, "quantization_config",
                     {"quant_method", "format", "quantization_status", "config_groups", "ignore",
                      "kv_cache_scheme", "global_compression_ratio", "version", "sparsity_config",
                      "transform_config"},
                     options.quantization);
  const Json default_format = config.contains("format") ? config["format"] : Json();
  for (const auto& [name, group] : groups->items()) {
    BITLOSS_DO(ReadGroup(group, default_format, options));
  }
  return options;
}

Status ReadModule(const StoredTensors& tensors, const std::string& module, const Options& options,
                  QuantizedTensors& to) {
  const auto packed = tensors.find(module + ".weight_packed");
  if (packed != tensors.end() && packed->second.stored_type == "I32") {
    if (options.packed.bits == 0) {
      return BadInput("tensor '{}' is there, but no config group is pack-quantized",
                      packed->second.name);
    }
    return ReadPackedIntegers(tensors, module, options.packed, to);
  }
  if (packed != tensors.end()) return ReadGroupedFloats(tensors, module, ".weight_packed", to);
  BITLOSS_TRY(const SafetensorsEntry* weight,
              FindPart(tensors, module + ".weight", {"I8", "F8_E4M3"}));
  if (weight->stored_type == "I8") return ReadInt8(tensors, module, to);
  const auto scale = tensors.find(module + ".weight_scale");  // there: it is what modules go by
  const bool powers_of_two =
      scale->second.stored_type == "U8" || scale->second.stored_type == "F8_E8M0";
  return powers_of_two ? ReadGroupedFloats(tensors, module, ".weight", to)
                       : ReadFp8(tensors, module, "weight_scale", to);
}

// Of every matrix: one number, as its activations' scale is one for all tokens.
Status ReadInputScales(const StoredTensors& tensors, QuantizedTensors& quantized) {
  StoredQuantization& to = quantized.quantization;
  for (const auto& [name, matrix] : quantized.matrices) {
    const std::string module = name.substr(0, name.size() - std::string_view(".weight").size());
    BITLOSS_TRY(const SafetensorsEntry* part,
                FindPart(tensors, fmt::format("{}.{}", module, InputScaleName(to.execution)),
                         {"F32", "F16", "BF16"}));
    BITLOSS_TRY(const std::vector<float> values, FloatValues(*part));
    if (values.size() != 1 || !(values[0] > 0.0f)) {
      return BadInput("tensor '{}' has shape [{}] and begins with {}: not one scale above 0",
                      part->name, fmt::join(part->shape, ", "), values.empty() ? 0.0f : values[0]);
    }
    to.input_scales[name] = values[0];
  }
  return Ok();
}

Result<QuantizedTensors> Read(const Json& config, const StoredTensors& tensors) {
  BITLOSS_TRY(const Options options, ReadOptions(config));
  QuantizedTensors quantized;
  quantized.quantization = options.quantization;
  quantized.quantization.method = fmt::format("compressed-tensors {}", options.formats);
  for (const std::string& module : ModulesWith(tensors, ".weight_scale")) {
    BITLOSS_DO(ReadModule(tensors, module, options, quantized));
    // Scales of activations are no part of what a matrix is.
    for (const char* name : {".input_scale", ".input_zero_point", ".input_global_scale"}) {
      if (tensors.contains(module + name)) quantized.parts.insert(module + name);
    }
  }
  // One execution for all, or none: what a group leaves alone is not what the others round.
  std::string_view execution =
      options.executions.size() == 1 ? *options.executions.begin() : std::string_view();
  const bool in_rows = std::ranges::all_of(
      quantized.matrices, [](const auto& matrix) { return matrix.second.type == "int8"; });
  if (execution.starts_with("w8a8") && !in_rows) execution = {};  // it multiplies rows of one scale
  if (!execution.empty()) {
    BITLOSS_TRY(quantized.quantization.execution,
                ParseExecution(execution, Execution{}.outlier_threshold));
    quantized.quantization.rounds = options.inputs.front();
    if (quantized.quantization.execution.static_activations) {
      BITLOSS_DO(ReadInputScales(tensors, quantized));
    }
  } else {
    for (const std::string& inputs : options.inputs) {
      AddNotRun("inputs of linears rounded to " + inputs, quantized.quantization);
    }
  }
  return quantized;
}

Status Supports(const Format& format, const Execution& execution, size_t rows, size_t cols) {
  if (!HasCompressedInputs(execution)) {
    return Unsupported(
        "compressed-tensors is written for real activations, @w8a8, @w4a8, @fp8, @mxfp4 and @mxfp8 "
        "with scales that are found as it runs, and @fp8:static, @w8a8:ct:static and @nvfp4");
  }
  if (HoldsCompressedIntegers(format) || HoldsCompressedFloats(format)) {
    return format.supports(format, rows, cols);
  }
  return Unsupported(
      "compressed-tensors holds int_group, int8_row, fp8_e4m3, nvfp4, mxfp4, mxfp6:e2m3 and "
      "mxfp8:e4m3, not {}",
      format.name);
}

Result<std::vector<SafetensorsEntry>> Write(const std::string& module,
                                            const EncodedMatrix& matrix) {
  return HoldsCompressedIntegers(matrix.format) ? WriteCompressedIntegers(module, matrix)
                                                : WriteCompressedFloats(module, matrix);
}

SafetensorsEntry WriteInputScale(const std::string& module, const Execution& execution,
                                 float scale) {
  return MakePart(fmt::format("{}.{}", module, InputScaleName(execution)), "F32", {1},
                  OwnPlane(std::vector<float>{scale}));
}

OrderedJson Config(const Format& format, const Execution& execution, LeftAlone left_alone) {
  const CompressedScheme scheme = HoldsCompressedIntegers(format)
                                      ? SchemeOfCompressedIntegers(format)
                                      : SchemeOfCompressedFloats(format);
  const size_t group_size = scheme.strategy.ends_with("group") ? format.group_size : 0;
  OrderedJson weights = ArgumentsJson({.bits = format.bits,
                                       .type = scheme.type,
                                       .strategy = scheme.strategy,
                                       .group_size = static_cast<int>(group_size),
                                       .symmetric = scheme.symmetric},
                                      ScalesAre::kStored);
  weights["observer"] = "minmax";
  if (scheme.strategy == "block") weights["block_structure"] = {128, 128};
  if (!scheme.scale_dtype.empty()) {
    weights["scale_dtype"] = scheme.scale_dtype;
    weights["zp_dtype"] = scheme.scale_dtype;
  }
  const OrderedJson group = {{"targets", {"Linear"}},
                             {"weights", weights},
                             {"input_activations", CompressedInputs(execution)},
                             {"output_activations", nullptr},
                             {"format", scheme.format}};  // else loaders guess it: int8 as packed
  std::vector<std::string> ignored = WithHead(left_alone);
  for (std::string& module : ignored) {
    if (module != "lm_head" && module.find('.') == module.npos) module = "re:.*" + module + ".*";
  }
  return {{"quant_method", "compressed-tensors"},
          {"format", scheme.format},
          {"quantization_status", "compressed"},
          {"config_groups", {{"group_0", group}}},
          {"ignore", ignored},
          {"kv_cache_scheme", nullptr},
          {"global_compression_ratio", nullptr}};
}

}  // namespace

Layout CompressedTensorsLayout() {
  return {.name = "compressed-tensors",
          .recognizes = [](const Json& config) { return IsMethod(config, "compressed-tensors"); },
          .read = Read,
          .supports = Supports,
          .write = Write,
          .write_input_scale = WriteInputScale,
          .config = Config};
}

}  // namespace bitloss

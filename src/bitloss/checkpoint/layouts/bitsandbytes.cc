#include "bitloss/checkpoint/layouts/bitsandbytes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "bitloss/checkpoint/layouts/parts.h"
#include "bitloss/json/parse.h"
#include "bitloss/quant/formats/block4/block4.h"
#include "bitloss/quant/formats/block4/nested_absmax.h"
#include "bitloss/quant/formats/fp4/fp4.h"
#include "bitloss/quant/formats/int8_row/int8_row.h"
#include "bitloss/quant/formats/nf4/nf4.h"
#include "bitloss/quant/formats/planes.h"

namespace bitloss {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr std::string_view kState = ".quant_state.bitsandbytes__";

bool IsBitsandbytes(const Json& config, const char* bits) {
  const auto load = config.find(bits);
  return IsMethod(config, "bitsandbytes") && load != config.end() && *load == true;
}

// ---- 4 bits

// What a quant state says.
struct State {
  std::string type;  // "nf4", "fp4"
  uint64_t rows = 0;
  uint64_t cols = 0;
  bool nested = false;
  float offset = 0.0f;
};

Result<uint64_t> NumWeights(uint64_t rows, uint64_t cols) {
  constexpr uint64_t kMax = uint64_t{1} << 40;
  uint64_t count = 0;
  if (rows == 0 || cols == 0 || __builtin_mul_overflow(rows, cols, &count) || count > kMax) {
    return BadInput("its shape [{}, {}] is not one of a matrix", rows, cols);
  }
  return count;
}

Result<State> ParseState(std::string_view type, const Json& json) {
  if (!json.is_object()) return BadInput("the quant state is not an object");
  State state{.type = std::string(type)};
  BITLOSS_TRY(const std::string quant_type, StringOption(json, "quant_type", std::nullopt));
  if (quant_type != type || (type != "nf4" && type != "fp4")) {
    return Unsupported("the quant state's type '{}' is not nf4 or fp4 as its name says",
                       quant_type.substr(0, 16));
  }
  BITLOSS_TRY(const uint64_t block, UintOption(json, "blocksize", std::nullopt));
  if (block != kBlock4Weights) {
    return Unsupported("blocks of {} weights; read are blocks of {}", block, kBlock4Weights);
  }
  const auto shape = json.find("shape");
  if (shape == json.end() || !shape->is_array() || shape->size() != 2 ||
      !(*shape)[0].is_number_unsigned() || !(*shape)[1].is_number_unsigned()) {
    return BadInput("the quant state's 'shape' is not two numbers");
  }
  state.rows = (*shape)[0].get<uint64_t>();
  state.cols = (*shape)[1].get<uint64_t>();
  state.nested = json.contains("nested_blocksize");
  if (!state.nested) return state;
  BITLOSS_TRY(const uint64_t nested_block, UintOption(json, "nested_blocksize", std::nullopt));
  if (nested_block != kNestedBlock) {
    return Unsupported("nested blocks of {}; read are blocks of {}", nested_block, kNestedBlock);
  }
  BITLOSS_TRY(const double offset, NumberOption(json, "nested_offset", std::nullopt));
  state.offset = static_cast<float>(offset);
  if (!std::isfinite(state.offset)) return BadInput("the nested offset {} is not finite", offset);
  return state;
}

// The quant state of a module and the tensor that it is in.
Result<State> ReadState(const StoredTensors& tensors, const std::string& name,
                        std::string_view type) {
  BITLOSS_TRY(const SafetensorsEntry* part,
              FindPart(tensors, fmt::format("{}{}{}", name, kState, type), {"U8"}));
  const std::string_view text(reinterpret_cast<const char*>(part->bytes.data()),
                              part->bytes.size());
  const auto json = ParseJson(text);
  if (!json.ok()) return Within(fmt::format("tensor '{}'", part->name), json.error());
  const auto state = ParseState(type, json.value());
  if (!state.ok()) return Within(fmt::format("tensor '{}'", part->name), state.error());
  return state;
}

Status CheckLevels(const SafetensorsEntry& map, std::span<const float> expected) {
  if (std::ranges::equal(PartValues<float>(map), expected)) return Ok();
  return Unsupported("tensor '{}': its levels are not the format's own", map.name);
}

Result<EncodedMatrix> LoadPlain(const State& state, const SafetensorsEntry& codes,
                                const SafetensorsEntry& absmax) {
  BITLOSS_DO(FloatValues(absmax).ok() ? Ok() : FloatValues(absmax).error());
  BITLOSS_TRY(const Format format, ParseFormat(state.type));
  return EncodedMatrix{.format = format,
                       .rows = state.rows,
                       .cols = state.cols,
                       .codes = codes.bytes,
                       .scales = absmax.bytes};
}

Result<EncodedMatrix> LoadNested(const State& state, const SafetensorsEntry& codes,
                                 const SafetensorsEntry& absmax, const SafetensorsEntry& nested) {
  BITLOSS_TRY(std::vector<float> extra, FloatValues(nested));
  extra.push_back(state.offset);
  BITLOSS_TRY(const Format format, ParseFormat(state.type + "_dq"));
  return EncodedMatrix{.format = format,
                       .rows = state.rows,
                       .cols = state.cols,
                       .codes = codes.bytes,
                       .scales = absmax.bytes,
                       .extra = OwnPlane(std::move(extra))};
}

Status Read4BitMatrix(const StoredTensors& tensors, const std::string& name, std::string_view type,
                      QuantizedTensors& to) {
  BITLOSS_TRY(const State state, ReadState(tensors, name, type));
  const auto count = NumWeights(state.rows, state.cols);
  if (!count.ok()) return Within(fmt::format("tensor '{}'", name), count.error());
  const uint64_t blocks = NumBlocks4(state.rows, state.cols);
  const auto codes = tensors.find(name);
  if (codes == tensors.end()) return BadInput("tensor '{}' is missing", name);
  if (codes->second.bytes.size() != (count.value() + 1) / 2) {
    return BadInput("tensor '{}': {} bytes do not hold the codes of [{}, {}]", name,
                    codes->second.bytes.size(), state.rows, state.cols);
  }
  BITLOSS_TRY(const SafetensorsEntry* map, FindPart(tensors, name + ".quant_map", {"F32"}, {16}));
  BITLOSS_DO(CheckLevels(*map, (type == "nf4" ? Nf4Table() : Fp4Table()).levels));
  const SafetensorsEntry* nested = nullptr;
  const SafetensorsEntry* nested_map = nullptr;
  BITLOSS_TRY(const SafetensorsEntry* absmax,
              FindPart(tensors, name + ".absmax", {state.nested ? "U8" : "F32"}, {blocks}));
  if (state.nested) {
    const uint64_t nested_blocks = (blocks + kNestedBlock - 1) / kNestedBlock;
    BITLOSS_TRY(nested, FindPart(tensors, name + ".nested_absmax", {"F32"}, {nested_blocks}));
    BITLOSS_TRY(nested_map, FindPart(tensors, name + ".nested_quant_map", {"F32"}, {256}));
    BITLOSS_DO(CheckLevels(*nested_map, DynamicMap()));
  }
  const auto& part = tensors.find(fmt::format("{}{}{}", name, kState, type))->second;
  const auto load = [state, codes = codes->second, absmax = *absmax,
                     nested = nested != nullptr ? *nested : SafetensorsEntry{}] {
    return state.nested ? LoadNested(state, codes, absmax, nested)
                        : LoadPlain(state, codes, absmax);
  };
  AddMatrix(name,
            {.type = state.nested ? state.type + "_dq" : state.type,
             .rows = state.rows,
             .cols = state.cols,
             .load = load},
            {&codes->second, absmax, map, nested, nested_map, &part}, to);
  return Ok();
}

Result<QuantizedTensors> Read4Bit(const Json& config, const StoredTensors& tensors) {
  QuantizedTensors quantized;
  BITLOSS_TRY(const std::string type, StringOption(config, "bnb_4bit_quant_type", "fp4"));
  quantized.quantization.method = fmt::format("bitsandbytes {}", type.substr(0, 16));
  for (const std::string_view quant_type : {"nf4", "fp4"}) {
    for (const std::string& name : ModulesWith(tensors, fmt::format("{}{}", kState, quant_type))) {
      BITLOSS_DO(Read4BitMatrix(tensors, name, quant_type, quantized));
    }
  }
  return quantized;
}

bool IsNested(const Format& format) { return format.name.ends_with("_dq"); }
bool IsFp4(const Format& format) { return format.name.starts_with("fp4"); }

Status Supports4Bit(const Format& format, const Execution& execution, size_t, size_t) {
  constexpr std::array<std::string_view, 4> kHeld = {"nf4", "nf4_dq", "fp4", "fp4_dq"};
  if (std::ranges::find(kHeld, format.name) == kHeld.end()) {
    return Unsupported("bitsandbytes-4bit holds {}, not {}", fmt::join(kHeld, ", "), format.name);
  }
  if (execution.kind != Execution::Kind::kRealActivations) {
    return Unsupported("bitsandbytes-4bit multiplies real activations");
  }
  return Ok();
}

template <size_t kSize>
SharedBytes Levels(const std::array<float, kSize>& levels) {
  return OwnPlane(std::vector<float>(levels.begin(), levels.end()));
}

// As QuantState.as_dict(packed=True) spells it.
std::string StateJson(const EncodedMatrix& matrix, std::string_view type) {
  OrderedJson json = {{"quant_type", type},
                      {"blocksize", kBlock4Weights},
                      {"dtype", "float32"},
                      {"shape", {matrix.rows, matrix.cols}}};
  if (IsNested(matrix.format)) {
    json["nested_blocksize"] = kNestedBlock;
    json["nested_dtype"] = "float32";
    json["nested_offset"] =
        double{LoadAt<float>(matrix.extra, matrix.extra.size() / sizeof(float) - 1)};
  }
  return json.dump();
}

Result<std::vector<SafetensorsEntry>> Write4Bit(const std::string& module,
                                                const EncodedMatrix& matrix) {
  const std::string name = module + ".weight";
  const bool nested = IsNested(matrix.format);
  const std::string_view type = IsFp4(matrix.format) ? "fp4" : "nf4";
  const uint64_t blocks = NumBlocks4(matrix.rows, matrix.cols);
  const std::string state = StateJson(matrix, type);
  std::vector<SafetensorsEntry> parts;
  parts.push_back(MakePart(name, "U8", {matrix.codes.size(), 1}, matrix.codes));
  parts.push_back(MakePart(name + ".absmax", nested ? "U8" : "F32", {blocks}, matrix.scales));
  parts.push_back(MakePart(name + ".quant_map", "F32", {16},
                           Levels((type == "nf4" ? Nf4Table() : Fp4Table()).levels)));
  if (nested) {
    const uint64_t nested_blocks = matrix.extra.size() / sizeof(float) - 1;
    parts.push_back(MakePart(name + ".nested_absmax", "F32", {nested_blocks},
                             matrix.extra.Sub(0, nested_blocks * sizeof(float))));
    parts.push_back(MakePart(name + ".nested_quant_map", "F32", {256}, Levels(DynamicMap())));
  }
  parts.push_back(MakePart(fmt::format("{}{}{}", name, kState, type), "U8", {state.size()},
                           OwnPlane(std::vector<char>(state.begin(), state.end()))));
  return parts;
}

OrderedJson CommonConfig(bool in_4bit, float threshold, LeftAlone left_alone) {
  OrderedJson kept;  // null: lm_head alone
  if (!left_alone.empty()) kept = WithHead(left_alone);
  return {{"quant_method", "bitsandbytes"},    {"_load_in_4bit", in_4bit},
          {"_load_in_8bit", !in_4bit},         {"load_in_4bit", in_4bit},
          {"load_in_8bit", !in_4bit},          {"llm_int8_enable_fp32_cpu_offload", false},
          {"llm_int8_has_fp16_weight", false}, {"llm_int8_skip_modules", kept},
          {"llm_int8_threshold", threshold}};
}

OrderedJson Config4Bit(const Format& format, const Execution&, LeftAlone left_alone) {
  OrderedJson config = CommonConfig(true, 6.0f, left_alone);
  config["bnb_4bit_compute_dtype"] = "float32";
  config["bnb_4bit_quant_storage"] = "uint8";
  config["bnb_4bit_quant_type"] = IsFp4(format) ? "fp4" : "nf4";
  config["bnb_4bit_use_double_quant"] = IsNested(format);
  return config;
}

// ---- 8 bits

Result<EncodedMatrix> Load8Bit(const SafetensorsEntry& codes, const SafetensorsEntry& scb) {
  BITLOSS_DO(FloatValues(scb).ok() ? Ok() : FloatValues(scb).error());
  return EncodedMatrix{.format = Int8RowFormat(),
                       .rows = codes.shape[0],
                       .cols = codes.shape[1],
                       .codes = codes.bytes,
                       .scales = scb.bytes};
}

Status Read8BitMatrix(const StoredTensors& tensors, const std::string& module,
                      QuantizedTensors& to) {
  const std::string name = module + ".weight";
  BITLOSS_TRY(const SafetensorsEntry* codes, FindPart(tensors, name, {"I8"}));
  if (codes->shape.size() != 2) return BadInput("tensor '{}' is not a matrix", name);
  BITLOSS_TRY(const SafetensorsEntry* scb,
              FindPart(tensors, module + ".SCB", {"F32"}, {codes->shape[0]}));
  BITLOSS_TRY(const SafetensorsEntry* format,
              FindOptionalPart(tensors, module + ".weight_format", {"U8"}, {}));
  if (format != nullptr && format->bytes.span()[0] != std::byte{0}) {
    return Unsupported("tensor '{}' says that the codes are in tiles for one GPU, not row by row",
                       format->name);
  }
  AddMatrix(name,
            {.type = "int8_row",
             .rows = codes->shape[0],
             .cols = codes->shape[1],
             .load = [codes = *codes, scb = *scb] { return Load8Bit(codes, scb); }},
            {codes, scb, format}, to);
  return Ok();
}

Result<QuantizedTensors> Read8Bit(const Json& config, const StoredTensors& tensors) {
  QuantizedTensors quantized;
  BITLOSS_TRY(const double threshold, NumberOption(config, "llm_int8_threshold", 6.0));
  if (!(threshold >= 0.0 && threshold <= 1e30)) {
    return BadInput("quantization_config: 'llm_int8_threshold' is {}", threshold);
  }
  quantized.quantization.method = "bitsandbytes int8";
  quantized.quantization.execution = {Execution::Kind::kLlmInt8, static_cast<float>(threshold)};
  for (const std::string& module : ModulesWith(tensors, ".SCB")) {
    BITLOSS_DO(Read8BitMatrix(tensors, module, quantized));
  }
  return quantized;
}

Status Supports8Bit(const Format& format, const Execution& execution, size_t, size_t) {
  if (format.name != Int8RowFormat().name) {
    return Unsupported("bitsandbytes-8bit holds int8_row, not {}", format.name);
  }
  if (execution.kind != Execution::Kind::kLlmInt8) {
    return Unsupported("bitsandbytes-8bit runs int8_row as @llm.int8 only");
  }
  return Ok();
}

Result<std::vector<SafetensorsEntry>> Write8Bit(const std::string& module,
                                                const EncodedMatrix& matrix) {
  return std::vector<SafetensorsEntry>{
      MakePart(module + ".weight", "I8", {matrix.rows, matrix.cols}, matrix.codes),
      MakePart(module + ".SCB", "F32", {matrix.rows}, matrix.scales),
      MakePart(module + ".weight_format", "U8", {}, OwnPlane(std::vector<uint8_t>{0}))};
}

}  // namespace

Layout Bitsandbytes4BitLayout() {
  return {.name = "bitsandbytes-4bit",
          .recognizes = [](const Json& config) { return IsBitsandbytes(config, "load_in_4bit"); },
          .read = Read4Bit,
          .supports = Supports4Bit,
          .write = Write4Bit,
          .config = Config4Bit,
          .stacked_experts = StackedExperts::kLeftAlone};
}

Layout Bitsandbytes8BitLayout() {
  return {.name = "bitsandbytes-8bit",
          .recognizes = [](const Json& config) { return IsBitsandbytes(config, "load_in_8bit"); },
          .read = Read8Bit,
          .supports = Supports8Bit,
          .write = Write8Bit,
          .config =
              [](const Format&, const Execution& execution, LeftAlone left_alone) {
                return CommonConfig(false, execution.outlier_threshold, left_alone);
              },
          .stacked_experts = StackedExperts::kLeftAlone};
}

}  // namespace bitloss

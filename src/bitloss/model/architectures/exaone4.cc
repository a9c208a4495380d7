// EXAONE 4: norms after each part, normed heads, full layers that do not rotate beside windows.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

TensorNames Exaone4Names() {
  TensorNames names = LlamaNames();
  names.kept[static_cast<size_t>(Kept::kPostAttentionNorm)] = "post_attention_layernorm";
  names.kept[static_cast<size_t>(Kept::kPostMlpNorm)] = "post_feedforward_layernorm";
  return names;
}

constexpr size_t kExaone4Period = 4;

void ShapeExaone4(ModelConfig& model) {
  model.norm_placement = NormPlacement::kAfter;
  model.head_norms = HeadNorms::kEachHead;
}

// A number, or a string such as "LLLG" in which L is a window.
Result<size_t> Period(const HfConfig& config) {
  constexpr std::string_view kKey = "sliding_window_pattern";
  if (!config.Has(kKey)) return kExaone4Period;
  if (!config.IsString(kKey)) {
    BITLOSS_TRY(const uint64_t period, config.GetSize(kKey, kMaxLayers));
    return size_t{period};
  }
  BITLOSS_TRY(const std::string pattern, config.GetString(kKey));
  const std::string expected = pattern.empty() ? "" : std::string(pattern.size() - 1, 'L') + "G";
  if (pattern.empty() || pattern != expected) {
    return Unsupported("{}: known are L...LG and numbers", config.Place(kKey));
  }
  return pattern.size();
}

Status ReadExaone4Hf(const HfConfig& config, ModelConfig& model) {
  ShapeExaone4(model);
  BITLOSS_TRY(const size_t period, Period(config));
  const bool has_window = config.Has("sliding_window") || !config.Mentions("sliding_window");
  if (!has_window) return Ok();
  BITLOSS_TRY(const LayerKinds kinds,
              ReadSlidingLayers(config, 4096, EveryPeriodFull, period, model));
  if (!model.layers.empty()) NoRopeInFullLayers(model);
  return Ok();
}

Status ReadExaone4Gguf(const GgufConfig& config, ModelConfig& model) {
  ShapeExaone4(model);
  BITLOSS_DO(ReadGgufWindows(config, kExaone4Period, model));
  if (!model.layers.empty()) NoRopeInFullLayers(model);
  return Ok();
}

}  // namespace

const Architecture& Exaone4() {
  static constexpr std::array<std::string_view, 1> kClasses = {"Exaone4ForCausalLM"};
  static const Architecture architecture = {.name = "exaone4",
                                            .classes = kClasses,
                                            .defaults = {.kv_heads = 32, .eps = 1e-5},
                                            .read_hf = ReadExaone4Hf,
                                            .hf_names = Exaone4Names(),
                                            .gguf_name = "exaone4",
                                            .read_gguf = ReadExaone4Gguf,
                                            .gguf_names = AroundGgufNames()};
  return architecture;
}

}  // namespace bitloss

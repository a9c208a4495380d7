// OLMo 3: OLMo 2 with windows, and a rope that is scaled in the full layers alone.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

TensorNames Olmo3Names() {
  TensorNames names = LlamaNames();
  names.kept[static_cast<size_t>(Kept::kPostAttentionNorm)] = "post_attention_layernorm";
  names.kept[static_cast<size_t>(Kept::kPostMlpNorm)] = "post_feedforward_layernorm";
  return names;
}

constexpr HfDefaults kOlmo3Defaults = {.eps = 1e-5, .theta = 5e5};
constexpr size_t kOlmo3Period = 4;

void ShapeOlmo3(ModelConfig& model) {
  model.norm_placement = NormPlacement::kAfter;
  model.head_norms = HeadNorms::kWholeWidth;
}

Status ReadOlmo3Hf(const HfConfig& config, ModelConfig& model) {
  ShapeOlmo3(model);
  BITLOSS_DO(ReadBiases(config, false, BiasOfOutput::kAsOthers, model));
  BITLOSS_TRY(const LayerKinds kinds,
              ReadSlidingLayers(config, 4096, EveryPeriodFull, kOlmo3Period, model));
  BITLOSS_TRY(const auto full,
              ReadNestedRope(config, kFullAttention, kOlmo3Defaults, model.head_dim));
  BITLOSS_TRY(const auto sliding,
              ReadNestedRope(config, kSlidingAttention, kOlmo3Defaults, model.head_dim));
  if (full) model.ropes[0] = *full;
  RopeConfig plain;
  plain.rotated = model.head_dim;
  plain.theta = kOlmo3Defaults.theta;
  model.ropes.push_back(sliding ? *sliding : plain);
  RopeByWindow(model);
  return Ok();
}

Status ReadOlmo3Gguf(const GgufConfig& config, ModelConfig& model) {
  ShapeOlmo3(model);
  BITLOSS_DO(ReadGgufWindows(config, kOlmo3Period, model));
  RopeConfig windowed;
  windowed.rotated = model.head_dim;
  BITLOSS_TRY(windowed.theta, config.GetPositiveOr("rope.freq_base_swa", model.ropes[0].theta));
  model.ropes.push_back(windowed);
  RopeByWindow(model);
  return Ok();
}

}  // namespace

const Architecture& Olmo3() {
  static constexpr std::array<std::string_view, 1> kClasses = {"Olmo3ForCausalLM"};
  static const Architecture architecture = {.name = "olmo3",
                                            .classes = kClasses,
                                            .defaults = kOlmo3Defaults,
                                            .read_hf = ReadOlmo3Hf,
                                            .hf_names = Olmo3Names(),
                                            .gguf_name = "olmo2",
                                            .read_gguf = ReadOlmo3Gguf,
                                            .gguf_names = AroundGgufNames()};
  return architecture;
}

}  // namespace bitloss

// OLMo 3: OLMo 2 with windows, and a rope that is scaled in the full layers alone.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

TensorNames Names() {
  TensorNames names = LlamaNames();
  names.kept[static_cast<size_t>(Kept::kPostAttentionNorm)] = "post_attention_layernorm";
  names.kept[static_cast<size_t>(Kept::kPostMlpNorm)] = "post_feedforward_layernorm";
  return names;
}

constexpr HfDefaults kDefaults = {.eps = 1e-5, .theta = 5e5};
constexpr size_t kPeriod = 4;

void Shape(ModelConfig& model) {
  model.norm_placement = NormPlacement::kAfter;
  model.head_norms = HeadNorms::kWholeWidth;
}

Status ReadHf(const HfConfig& config, ModelConfig& model) {
  Shape(model);
  BITLOSS_DO(ReadBiases(config, false, BiasOfOutput::kAsOthers, model));
  BITLOSS_TRY(const LayerKinds kinds,
              ReadSlidingLayers(config, 4096, EveryPeriodFull, kPeriod, model));
  BITLOSS_TRY(const auto full, ReadNestedRope(config, kFullAttention, kDefaults, model.head_dim));
  BITLOSS_TRY(const auto sliding,
              ReadNestedRope(config, kSlidingAttention, kDefaults, model.head_dim));
  if (full) model.ropes[0] = *full;
  RopeConfig plain;
  plain.rotated = model.head_dim;
  plain.theta = kDefaults.theta;
  model.ropes.push_back(sliding ? *sliding : plain);
  RopeByWindow(model);
  return Ok();
}

Status ReadGguf(const GgufConfig& config, ModelConfig& model) {
  Shape(model);
  BITLOSS_DO(ReadGgufWindows(config, kPeriod, model));
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
                                            .defaults = kDefaults,
                                            .read_hf = ReadHf,
                                            .hf_names = Names(),
                                            .gguf_name = "olmo2",
                                            .read_gguf = ReadGguf,
                                            .gguf_names = AroundGgufNames()};
  return architecture;
}

}  // namespace bitloss

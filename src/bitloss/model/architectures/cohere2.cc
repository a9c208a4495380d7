// Command R7B, Command A, Aya: one norm for both parts, no positions in full layers.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

constexpr size_t kCohere2Period = 4;

void ShapeCohere2(ModelConfig& model) {
  model.norm_placement = NormPlacement::kParallel;
  model.norm_kind = NormKind::kLayerNorm;
  model.final_norm_kind = NormKind::kLayerNorm;
  model.ropes[0].pairing = RopePairing::kNeighbours;
}

Status ReadCohere2Hf(const HfConfig& config, ModelConfig& model) {
  ShapeCohere2(model);
  BITLOSS_TRY(model.rms_norm_eps, config.GetPositiveOr("layer_norm_eps", 1e-5));
  BITLOSS_TRY(model.logit_scale, config.GetPositiveOr("logit_scale", 0.0625));
  BITLOSS_DO(ReadBiases(config, false, BiasOfOutput::kAsOthers, model));
  BITLOSS_TRY(const uint64_t period,
              config.GetSizeOr("sliding_window_pattern", kCohere2Period, kMaxLayers));
  BITLOSS_TRY(const LayerKinds kinds,
              ReadSlidingLayers(config, 4096, EveryPeriodFull, period, model));
  NoRopeInFullLayers(model);
  return Ok();
}

Status ReadCohere2Gguf(const GgufConfig& config, ModelConfig& model) {
  ShapeCohere2(model);
  BITLOSS_TRY(model.logit_scale, config.GetPositive("logit_scale"));
  BITLOSS_DO(ReadGgufWindows(config, kCohere2Period, model));
  NoRopeInFullLayers(model);
  return Ok();
}

}  // namespace

const Architecture& Cohere2() {
  static constexpr std::array<std::string_view, 1> kClasses = {"Cohere2ForCausalLM"};
  static const Architecture architecture = {.name = "cohere2",
                                            .classes = kClasses,
                                            .defaults = {.positions = 8192, .tied = true},
                                            .read_hf = ReadCohere2Hf,
                                            .hf_names = LlamaNames(),
                                            .gguf_name = "cohere2",
                                            .read_gguf = ReadCohere2Gguf,
                                            .gguf_names = LlamaGgufNames()};
  return architecture;
}

}  // namespace bitloss

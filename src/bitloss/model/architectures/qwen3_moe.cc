// Qwen3-30B-A3B, 235B-A22B, Qwen3-Coder: Qwen3 with experts.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

Status ReadQwen3MoeHf(const HfConfig& config, ModelConfig& model) {
  model.head_norms = HeadNorms::kEachHead;
  BITLOSS_DO(ReadBiases(config, false, BiasOfOutput::kAsOthers, model));
  BITLOSS_TRY(const bool slides, config.GetBoolOr("use_sliding_window", false));
  if (slides) {
    BITLOSS_TRY(const LayerKinds kinds, ReadSlidingLayers(config, 4096, AllSliding, 1, model));
  } else {
    BITLOSS_DO(RequireFullAttention(config, model));
  }
  BITLOSS_TRY(model.experts, ReadHfExperts(config, "moe_intermediate_size", 128, 8, 768));
  BITLOSS_TRY(const bool normalizes, config.GetBoolOr("norm_topk_prob", false));
  if (normalizes) model.experts->router.weights = RouterSpec::Weights::kNormalized;
  return ReadQwenSparseLayers(config, model);
}

Status ReadQwen3MoeGguf(const GgufConfig& config, ModelConfig& model) {
  model.head_norms = HeadNorms::kEachHead;
  BITLOSS_TRY(model.experts, ReadGgufExperts(config));
  model.experts->router.weights = RouterSpec::Weights::kNormalized;
  ExpertsEverywhere(model);
  return Ok();
}

}  // namespace

const Architecture& Qwen3Moe() {
  static constexpr std::array<std::string_view, 1> kClasses = {"Qwen3MoeForCausalLM"};
  static const Architecture architecture = {.name = "qwen3_moe",
                                            .classes = kClasses,
                                            .defaults = {.kv_heads = 4, .positions = 32768},
                                            .read_hf = ReadQwen3MoeHf,
                                            .hf_names = ExpertNames("mlp.shared_expert"),
                                            .gguf_name = "qwen3moe",
                                            .read_gguf = ReadQwen3MoeGguf,
                                            .gguf_names = ExpertGgufNames()};
  return architecture;
}

}  // namespace bitloss

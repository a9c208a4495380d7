// Qwen1.5-MoE, Qwen2-57B-A14B: Qwen2 with experts and a gated shared one.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

Status ReadQwen2MoeHf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_TRY(model.qkv_bias, config.GetBoolOr("qkv_bias", true));
  BITLOSS_TRY(const bool slides, config.GetBoolOr("use_sliding_window", false));
  if (slides) {
    return Unsupported("{}: is true, which is not known in qwen2_moe",
                       config.Place("use_sliding_window"));
  }
  BITLOSS_DO(RequireFullAttention(config, model));
  BITLOSS_TRY(model.experts, ReadHfExperts(config, "moe_intermediate_size", 60, 4, 1408));
  BITLOSS_TRY(const bool normalizes, config.GetBoolOr("norm_topk_prob", false));
  if (normalizes) model.experts->router.weights = RouterSpec::Weights::kNormalized;
  model.experts->shared = ExpertsSpec::Shared::kGated;
  BITLOSS_TRY(model.experts->shared_width,
              config.GetSizeOr("shared_expert_intermediate_size", 5632, kMaxWidth));
  return ReadQwenSparseLayers(config, model);
}

Status ReadQwen2MoeGguf(const GgufConfig& config, ModelConfig& model) {
  BITLOSS_TRY(model.experts, ReadGgufExperts(config));
  model.experts->shared = ExpertsSpec::Shared::kGated;
  BITLOSS_TRY(model.experts->shared_width,
              config.GetSize("expert_shared_feed_forward_length", kMaxWidth));
  ExpertsEverywhere(model);
  return Ok();
}

}  // namespace

const Architecture& Qwen2Moe() {
  static constexpr std::array<std::string_view, 1> kClasses = {"Qwen2MoeForCausalLM"};
  static const Architecture architecture = {.name = "qwen2_moe",
                                            .classes = kClasses,
                                            .defaults = {.kv_heads = 16, .positions = 32768},
                                            .read_hf = ReadQwen2MoeHf,
                                            .hf_names = ExpertNames("mlp.shared_expert"),
                                            .gguf_name = "qwen2moe",
                                            .read_gguf = ReadQwen2MoeGguf,
                                            .gguf_names = ExpertGgufNames()};
  return architecture;
}

}  // namespace bitloss

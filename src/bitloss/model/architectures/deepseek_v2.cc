// DeepSeek V2, V2-Lite and Coder-V2: latent attention, experts by softmax.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

constexpr LatentDefaults kDeepseekV2Latent = {
    .query_rank = 1536, .rank = 512, .plain_dim = 128, .rotated_dim = 64, .value_dim = 128};
constexpr HfDefaults kDeepseekV2Defaults = {.head_dim = 64, .partial_rotary = 1.0};

Status ReadGroups(const HfConfig& config, ExpertsSpec& experts) {
  std::string method = "greedy";
  if (config.Has("topk_method")) {
    BITLOSS_TRY(method, config.GetString("topk_method"));
  }
  if (method == "greedy") return Ok();
  if (method != "group_limited_greedy") {
    return Unsupported("{}: known are greedy and group_limited_greedy",
                       config.Place("topk_method"));
  }
  BITLOSS_TRY(experts.router.groups, config.GetSize("n_group", experts.count));
  BITLOSS_TRY(experts.router.groups_kept, config.GetSize("topk_group", experts.count));
  return CheckExperts(experts);
}

Status ReadDeepseekV2Hf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_DO(ReadLatent(config, kDeepseekV2Latent, kDeepseekV2Defaults, model));
  model.ropes[0].pairing = RopePairing::kNeighbours;
  BITLOSS_TRY(ExpertsSpec experts, ReadHfExperts(config, "moe_intermediate_size", 64, 0, 1407));
  if (experts.chosen == 0) {
    return BadInput("{}: is missing", config.Place("num_experts_per_tok"));
  }
  BITLOSS_TRY(experts.router.scale, config.GetPositiveOr("routed_scaling_factor", 1.0));
  BITLOSS_TRY(const bool normalizes, config.GetBoolOr("norm_topk_prob", false));
  if (normalizes) {
    return Unsupported("{}: is true, of which transformers takes no notice here",
                       config.Place("norm_topk_prob"));
  }
  BITLOSS_DO(ReadGroups(config, experts));
  BITLOSS_DO(ReadSharedExperts(config, 2, experts));
  model.experts = experts;
  return ReadFirstDense(config, 0, model);
}

Status ReadDeepseekV2Gguf(const GgufConfig& config, ModelConfig& model) {
  BITLOSS_DO(ReadLatentGguf(config, model));
  return ReadGroupedGgufExperts(config, kGgufSoftmax, model);
}

}  // namespace

const Architecture& DeepseekV2() {
  static constexpr std::array<std::string_view, 1> kClasses = {"DeepseekV2ForCausalLM"};
  static const Architecture architecture = {.name = "deepseek_v2",
                                            .classes = kClasses,
                                            .defaults = kDeepseekV2Defaults,
                                            .read_hf = ReadDeepseekV2Hf,
                                            .hf_names = LatentNames(),
                                            .gguf_name = "deepseek2",
                                            .read_gguf = ReadDeepseekV2Gguf,
                                            .gguf_names = LatentGgufNames()};
  return architecture;
}

}  // namespace bitloss

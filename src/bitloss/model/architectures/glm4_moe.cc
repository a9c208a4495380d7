// GLM-4.5, 4.6, 4.7 and Air: grouped queries with DeepSeek's router.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

Status ReadGlm4MoeHf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_DO(RequireFullAttention(config, model));
  BITLOSS_DO(ReadBiases(config, false, BiasOfOutput::kNo, model));
  BITLOSS_TRY(const bool norms, config.GetBoolOr("use_qk_norm", false));
  if (norms) model.head_norms = HeadNorms::kEachHead;
  BITLOSS_DO(
      ReadSigmoidExperts(config, {.count = 128, .chosen = 8, .width = 1408, .router = {}}, model));
  return ReadFirstDense(config, 1, model);
}

Status ReadGlm4MoeGguf(const GgufConfig& config, ModelConfig& model) {
  if (config.checkpoint().Has("blk.0.attn_q_norm.weight")) {
    model.head_norms = HeadNorms::kEachHead;
  }
  return ReadGroupedGgufExperts(config, kGgufSigmoid, model);
}

}  // namespace

const Architecture& Glm4Moe() {
  static constexpr std::array<std::string_view, 1> kClasses = {"Glm4MoeForCausalLM"};
  static const Architecture architecture = {
      .name = "glm4_moe",
      .classes = kClasses,
      .defaults = {.kv_heads = 8, .positions = 131072, .eps = 1e-5, .partial_rotary = 0.5},
      .read_hf = ReadGlm4MoeHf,
      .hf_names = ExpertNames("mlp.shared_experts"),
      .gguf_name = "glm4moe",
      .read_gguf = ReadGlm4MoeGguf,
      .gguf_names = PostAttentionGgufNames()};
  return architecture;
}

}  // namespace bitloss

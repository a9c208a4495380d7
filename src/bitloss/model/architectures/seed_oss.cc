// Seed-OSS: Llama with biases of q, k and v.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

Status ReadSeedOssHf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_DO(RequireFullAttention(config, model));
  BITLOSS_DO(ReadBiases(config, true, BiasOfOutput::kNo, model));
  BITLOSS_TRY(model.output_bias, config.GetBoolOr("attention_out_bias", false));
  return Ok();
}

Status ReadSeedOssGguf(const GgufConfig&, ModelConfig&) { return Ok(); }

}  // namespace

const Architecture& SeedOss() {
  static constexpr std::array<std::string_view, 1> kClasses = {"SeedOssForCausalLM"};
  static const Architecture architecture = {
      .name = "seed_oss",
      .classes = kClasses,
      .defaults = {.kv_heads = 8, .head_dim = 128, .positions = 524288},
      .read_hf = ReadSeedOssHf,
      .hf_names = LlamaNames(),
      .gguf_name = "seed_oss",
      .read_gguf = ReadSeedOssGguf,
      .gguf_names = PostAttentionGgufNames()};
  return architecture;
}

}  // namespace bitloss

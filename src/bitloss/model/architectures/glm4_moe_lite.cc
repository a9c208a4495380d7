// GLM-4.7-Flash: DeepSeek V3 with other sizes.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

constexpr LatentDefaults kGlm4MoeLiteLatent = {
    .query_rank = 768, .rank = 512, .plain_dim = 192, .rotated_dim = 64, .value_dim = 256};
constexpr HfDefaults kGlm4MoeLiteDefaults = {
    .head_dim = 64, .positions = 202752, .eps = 1e-5, .partial_rotary = 1.0};

Status ReadGlm4MoeLiteHf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_DO(ReadLatent(config, kGlm4MoeLiteLatent, kGlm4MoeLiteDefaults, model));
  BITLOSS_DO(ReadSigmoidExperts(
      config, {.count = 64, .chosen = 4, .width = 1536, .router = {.scale = 1.8}}, model));
  BITLOSS_DO(ReadFirstDense(config, 1, model));
  return ReadMlpLayerTypes(config, model);
}

}  // namespace

// In GGUF it is a file of DeepSeek's.
const Architecture& Glm4MoeLite() {
  static constexpr std::array<std::string_view, 1> kClasses = {"Glm4MoeLiteForCausalLM"};
  static const Architecture architecture = {.name = "glm4_moe_lite",
                                            .classes = kClasses,
                                            .defaults = kGlm4MoeLiteDefaults,
                                            .read_hf = ReadGlm4MoeLiteHf,
                                            .hf_names = LatentNames(),
                                            .gguf_name = {},
                                            .gguf_names = {}};
  return architecture;
}

}  // namespace bitloss

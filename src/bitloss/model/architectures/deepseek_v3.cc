// DeepSeek V3, V3.1 and R1, Kimi-K2, Moonlight: latent attention, DeepSeek's router.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

constexpr LatentDefaults kDeepseekV3Latent = {
    .query_rank = 1536, .rank = 512, .plain_dim = 128, .rotated_dim = 64, .value_dim = 128};
constexpr HfDefaults kDeepseekV3Defaults = {
    .head_dim = 64, .positions = 4096, .partial_rotary = 1.0};

// What published files say besides: other values belong to other routers.
Status CheckRouter(const HfConfig& config) {
  struct Known {
    std::string_view key;
    std::string_view value;
  };
  for (const auto& [key, value] :
       {Known{"scoring_func", "sigmoid"}, Known{"topk_method", "noaux_tc"}}) {
    if (!config.Has(key)) continue;
    BITLOSS_TRY(const std::string said, config.GetString(key));
    if (said != value) {
      return Unsupported("{}: is not {}, which is all that is known", config.Place(key), value);
    }
  }
  BITLOSS_TRY(const uint64_t step, config.GetSizeOr("moe_layer_freq", 1, kMaxLayers));
  if (step == 1) return Ok();
  return Unsupported("{}: is {}, not 1", config.Place("moe_layer_freq"), step);
}

Status ReadDeepseekV3Hf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_DO(ReadLatent(config, kDeepseekV3Latent, kDeepseekV3Defaults, model));
  BITLOSS_DO(CheckRouter(config));
  BITLOSS_DO(ReadSigmoidExperts(config,
                                {.count = 256,
                                 .chosen = 8,
                                 .width = 2048,
                                 .router = {.scale = 2.5, .groups = 8, .groups_kept = 4}},
                                model));
  return ReadFirstDense(config, 3, model);
}

Status ReadDeepseekV3Gguf(const GgufConfig& config, ModelConfig& model) {
  BITLOSS_DO(ReadLatentGguf(config, model));
  return ReadGroupedGgufExperts(config, kGgufSigmoid, model);
}

}  // namespace

const Architecture& DeepseekV3() {
  static constexpr std::array<std::string_view, 1> kClasses = {"DeepseekV3ForCausalLM"};
  static const Architecture architecture = {.name = "deepseek_v3",
                                            .classes = kClasses,
                                            .defaults = kDeepseekV3Defaults,
                                            .read_hf = ReadDeepseekV3Hf,
                                            .hf_names = LatentNames(),
                                            .gguf_name = "deepseek2",
                                            .read_gguf = ReadDeepseekV3Gguf,
                                            .gguf_names = LatentGgufNames()};
  return architecture;
}

}  // namespace bitloss

// Mistral 4: latent attention whose queries grow with their position, experts by softmax.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

constexpr LatentDefaults kMistral4Latent = {
    .query_rank = 1024, .rank = 256, .plain_dim = 64, .rotated_dim = 64, .value_dim = 128};
constexpr HfDefaults kMistral4Defaults = {
    .head_dim = 128, .positions = 1048576, .partial_rotary = 1.0};
constexpr double kMistral4Beta = 0.1;

Status ReadTemperature(const HfConfig& config, ModelConfig& model) {
  const auto* yarn = std::get_if<YarnRopeScaling>(&model.ropes[0].scaling);
  if (yarn == nullptr) {
    return Unsupported("{}: is not yarn, which is all that is known of mistral4",
                       config.Place("rope_parameters"));
  }
  BITLOSS_TRY(const HfConfig rope, config.GetObject("rope_parameters"));
  BITLOSS_TRY(const double beta, rope.GetNumberOr("llama_4_scaling_beta", kMistral4Beta));
  model.temperature = QueryTemperature{beta, yarn->original_max_positions, 0};
  return Ok();
}

Status ReadMistral4Hf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_DO(ReadLatent(config, kMistral4Latent, kMistral4Defaults, model));
  BITLOSS_DO(ReadTemperature(config, model));
  BITLOSS_TRY(ExpertsSpec experts, ReadHfExperts(config, "moe_intermediate_size", 128, 4, 2048));
  RouterSpec& router = experts.router;
  router.group_score = RouterSpec::GroupScore::kSumOfTwoLargest;
  BITLOSS_TRY(router.groups, config.GetSizeOr("n_group", 1, experts.count));
  BITLOSS_TRY(router.groups_kept, config.GetSizeOr("topk_group", 1, experts.count));
  BITLOSS_TRY(const bool normalizes, config.GetBoolOr("norm_topk_prob", true));
  if (normalizes) router.weights = RouterSpec::Weights::kNormalized;
  BITLOSS_TRY(router.scale, config.GetPositiveOr("routed_scaling_factor", 1.0));
  BITLOSS_DO(ReadSharedExperts(config, 1, experts));
  BITLOSS_DO(CheckExperts(experts));
  model.experts = experts;
  return ReadFirstDense(config, 0, model);
}

}  // namespace

const Architecture& Mistral4() {
  static constexpr std::array<std::string_view, 2> kClasses = {"Mistral4ForCausalLM",
                                                               "Mistral3ForConditionalGeneration"};
  static const Architecture architecture = {.name = "mistral4",
                                            .classes = kClasses,
                                            .defaults = kMistral4Defaults,
                                            .read_hf = ReadMistral4Hf,
                                            .hf_names = LatentNames(),
                                            .gguf_name = {},
                                            .gguf_names = {}};
  return architecture;
}

}  // namespace bitloss

// OLMoE: Llama with experts and q and k normed over their whole width.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

Status ReadOlmoeHf(const HfConfig& config, ModelConfig& model) {
  model.head_norms = HeadNorms::kWholeWidth;
  BITLOSS_DO(RequireFullAttention(config, model));
  BITLOSS_DO(ReadBiases(config, false, BiasOfOutput::kAsOthers, model));
  BITLOSS_TRY(model.experts, ReadHfExperts(config, "intermediate_size", 64, 8, 2048));
  BITLOSS_TRY(const bool normalizes, config.GetBoolOr("norm_topk_prob", false));
  if (normalizes) model.experts->router.weights = RouterSpec::Weights::kNormalized;
  ExpertsEverywhere(model);
  return Ok();
}

Status ReadOlmoeGguf(const GgufConfig& config, ModelConfig& model) {
  model.head_norms = HeadNorms::kWholeWidth;
  BITLOSS_TRY(model.experts, ReadGgufExperts(config));
  ExpertsEverywhere(model);
  return Ok();
}

}  // namespace

const Architecture& OlmoE() {
  static constexpr std::array<std::string_view, 1> kClasses = {"OlmoeForCausalLM"};
  static const Architecture architecture = {.name = "olmoe",
                                            .classes = kClasses,
                                            .defaults = {.positions = 4096, .eps = 1e-5},
                                            .read_hf = ReadOlmoeHf,
                                            .hf_names = ExpertNames("mlp.shared_expert"),
                                            .gguf_name = "olmoe",
                                            .read_gguf = ReadOlmoeGguf,
                                            .gguf_names = ExpertGgufNames()};
  return architecture;
}

}  // namespace bitloss

// Granite with experts.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

TensorNames GranitemoeNames() {
  TensorNames names = LlamaNames();
  names.kept[static_cast<size_t>(Kept::kRouter)] = "block_sparse_moe.router.layer";
  names.stacked_gate_up = "block_sparse_moe.input_linear.weight";
  names.stacked[2] = "block_sparse_moe.output_linear.weight";
  return names;
}

Status ReadGranitemoeHf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_DO(ReadGraniteScales(config, model));
  BITLOSS_DO(RequireFullAttention(config, model));
  BITLOSS_DO(ReadBiases(config, false, BiasOfOutput::kAsOthers, model));
  BITLOSS_TRY(model.experts, ReadHfExperts(config, "intermediate_size", 8, 2, 11008));
  model.experts->router.score = RouterSpec::Score::kNone;
  model.experts->router.weights = RouterSpec::Weights::kSoftmax;
  ExpertsEverywhere(model);
  return Ok();
}

Status ReadGranitemoeGguf(const GgufConfig& config, ModelConfig& model) {
  BITLOSS_DO(ReadGraniteGgufScales(config, model));
  BITLOSS_TRY(model.experts, ReadGgufExperts(config));
  model.experts->router.score = RouterSpec::Score::kNone;
  model.experts->router.weights = RouterSpec::Weights::kSoftmax;
  ExpertsEverywhere(model);
  return Ok();
}

}  // namespace

const Architecture& GraniteMoe() {
  static constexpr std::array<std::string_view, 1> kClasses = {"GraniteMoeForCausalLM"};
  static const Architecture architecture = {.name = "granitemoe",
                                            .classes = kClasses,
                                            .defaults = {},
                                            .read_hf = ReadGranitemoeHf,
                                            .hf_names = GranitemoeNames(),
                                            .gguf_name = "granitemoe",
                                            .read_gguf = ReadGranitemoeGguf,
                                            .gguf_names = ExpertGgufNames()};
  return architecture;
}

}  // namespace bitloss

// Mixtral 8x7B and 8x22B: Mistral with experts. Their GGUF files say "llama".
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

TensorNames MixtralNames() {
  TensorNames names = ExpertNames("mlp.shared_expert");
  names.kept[static_cast<size_t>(Kept::kRouter)] = "block_sparse_moe.gate";
  names.experts = "block_sparse_moe.experts";
  names.of_expert = {".w1", ".w3", ".w2"};
  return names;
}

Status ReadMixtralHf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_TRY(const LayerKinds kinds, ReadSlidingLayers(config, 0, AllSliding, 1, model));
  BITLOSS_TRY(model.experts, ReadHfExperts(config, "intermediate_size", 8, 2, 14336));
  model.experts->router.weights = RouterSpec::Weights::kNormalized;
  ExpertsEverywhere(model);
  return Ok();
}

Status ReadMixtralGguf(const GgufConfig& config, ModelConfig& model) {
  BITLOSS_TRY(model.experts, ReadGgufExperts(config));
  model.experts->router.weights = RouterSpec::Weights::kNormalized;
  ExpertsEverywhere(model);
  return Ok();
}

}  // namespace

const Architecture& Mixtral() {
  static constexpr std::array<std::string_view, 1> kClasses = {"MixtralForCausalLM"};
  static const Architecture architecture = {
      .name = "mixtral",
      .classes = kClasses,
      .defaults = {.kv_heads = 8, .positions = 131072, .eps = 1e-5, .theta = 1e6},
      .read_hf = ReadMixtralHf,
      .hf_names = MixtralNames(),
      .gguf_name = "llama",
      .read_gguf = ReadMixtralGguf,
      .gguf_names = ExpertGgufNames()};
  return architecture;
}

}  // namespace bitloss

// MiniMax-M2: q and k normed over their whole width, partly rotated heads, sigmoid router.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

TensorNames MinimaxM2Names() {
  TensorNames names = ExpertNames("mlp.shared_expert");
  names.kept[static_cast<size_t>(Kept::kRouter)] = "block_sparse_moe.gate";
  names.kept[static_cast<size_t>(Kept::kSelectionBias)] =
      "block_sparse_moe.e_score_correction_bias";
  names.experts = "block_sparse_moe.experts";
  names.of_expert = {".w1", ".w3", ".w2"};
  return names;
}

void SetRouter(ModelConfig& model) {
  RouterSpec& router = model.experts->router;
  router.score = RouterSpec::Score::kSigmoid;
  router.weights = RouterSpec::Weights::kNormalized;
  router.has_selection_bias = true;
  ExpertsEverywhere(model);
}

Status ReadMinimaxM2Hf(const HfConfig& config, ModelConfig& model) {
  model.head_norms = HeadNorms::kWholeWidth;
  BITLOSS_DO(RequireFullAttention(config, model));
  if (config.Has("rotary_dim")) {
    BITLOSS_TRY(model.ropes[0].rotated, config.GetSize("rotary_dim", model.head_dim));
  }
  BITLOSS_TRY(model.experts, ReadHfExperts(config, "intermediate_size", 256, 8, 1536));
  SetRouter(model);
  return Ok();
}

Status ReadMinimaxM2Gguf(const GgufConfig& config, ModelConfig& model) {
  model.head_norms = HeadNorms::kWholeWidth;
  BITLOSS_TRY(model.experts, ReadGgufExperts(config));
  SetRouter(model);
  return Ok();
}

}  // namespace

const Architecture& MiniMaxM2() {
  static constexpr std::array<std::string_view, 1> kClasses = {"MiniMaxM2ForCausalLM"};
  static const Architecture architecture = {.name = "minimax_m2",
                                            .classes = kClasses,
                                            .defaults = {.kv_heads = 8,
                                                         .head_dim = 128,
                                                         .positions = 196608,
                                                         .theta = 5e6,
                                                         .partial_rotary = 1.0},
                                            .read_hf = ReadMinimaxM2Hf,
                                            .hf_names = MinimaxM2Names(),
                                            .gguf_name = "minimax-m2",
                                            .read_gguf = ReadMinimaxM2Gguf,
                                            .gguf_names = ExpertGgufNames()};
  return architecture;
}

}  // namespace bitloss

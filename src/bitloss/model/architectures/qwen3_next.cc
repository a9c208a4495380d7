// Qwen3-Next: Qwen3.5's layers with other packing, experts in all of them.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

TensorNames Qwen3NextNames() {
  TensorNames names = DeltaNames();
  names.fused[1] = {"linear_attn.in_proj_qkvz",
                    Unit::kRecurrent,
                    {Linear::kQuery, Linear::kKey, Linear::kValue, Linear::kHeadGate},
                    FusedOrder::kByHead};
  for (const Linear linear : names.fused[1].members) {
    names.recurrent[static_cast<size_t>(linear)] = names.fused[1].name;
  }
  names.fused_rates = "linear_attn.in_proj_ba";
  return names;
}

TensorNames Qwen3NextGgufNames() {
  TensorNames names = DeltaGgufNames();
  names.fused_rates = "ssm_ba";
  return names;
}

Status ReadQwen3NextHf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_DO(ReadDelta(config, model));
  BITLOSS_DO(ReadGatedExperts(
      config, {.count = 512, .chosen = 10, .width = 512, .shared_width = 512, .router = {}},
      model));
  BITLOSS_TRY(const bool normalizes, config.GetBoolOr("norm_topk_prob", true));
  if (!normalizes) model.experts->router.weights = RouterSpec::Weights::kScores;
  return Ok();
}

Status ReadQwen3NextGguf(const GgufConfig& config, ModelConfig& model) {
  BITLOSS_DO(ReadDeltaGguf(config, model));
  return ReadGatedGgufExperts(config, model);
}

}  // namespace

const Architecture& Qwen3Next() {
  static constexpr std::array<std::string_view, 1> kClasses = {"Qwen3NextForCausalLM"};
  static const Architecture architecture = {.name = "qwen3_next",
                                            .classes = kClasses,
                                            .defaults = {.kv_heads = 2,
                                                         .head_dim = 256,
                                                         .intermediate = 5632,
                                                         .positions = 32768,
                                                         .partial_rotary = 0.25},
                                            .read_hf = ReadQwen3NextHf,
                                            .hf_names = Qwen3NextNames(),
                                            .gguf_name = "qwen3next",
                                            .read_gguf = ReadQwen3NextGguf,
                                            .gguf_names = Qwen3NextGgufNames()};
  return architecture;
}

}  // namespace bitloss

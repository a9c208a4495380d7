// ERNIE 4.5, dense: Llama whose neighbours turn.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

Status ReadErnie45Hf(const HfConfig& config, ModelConfig& model) {
  model.ropes[0].pairing = RopePairing::kNeighbours;
  BITLOSS_DO(RequireFullAttention(config, model));
  BITLOSS_TRY(const bool biases, config.GetBoolOr("use_bias", false));
  model.qkv_bias = model.output_bias = model.mlp_bias = biases;
  return Ok();
}

Status ReadErnie45Gguf(const GgufConfig&, ModelConfig& model) {
  model.ropes[0].pairing = RopePairing::kNeighbours;
  return Ok();
}

}  // namespace

const Architecture& Ernie45() {
  static constexpr std::array<std::string_view, 1> kClasses = {"Ernie4_5ForCausalLM"};
  static const Architecture architecture = {.name = "ernie4_5",
                                            .classes = kClasses,
                                            .defaults = {.kv_heads = 2,
                                                         .head_dim = 128,
                                                         .positions = 131072,
                                                         .eps = 1e-5,
                                                         .theta = 5e5,
                                                         .tied = true},
                                            .read_hf = ReadErnie45Hf,
                                            .hf_names = LlamaNames(),
                                            .gguf_name = "ernie4_5",
                                            .read_gguf = ReadErnie45Gguf,
                                            .gguf_names = LlamaGgufNames()};
  return architecture;
}

}  // namespace bitloss

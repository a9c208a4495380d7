// GLM-4-9B and 32B (0414), GLM-Z1: norms around each part, neighbours turn in half of each head.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

TensorNames Glm4Names() {
  TensorNames names = LlamaNames();
  names.kept[static_cast<size_t>(Kept::kPostAttentionNorm)] = "post_self_attn_layernorm";
  names.kept[static_cast<size_t>(Kept::kPostMlpNorm)] = "post_mlp_layernorm";
  names.fused = {FusedGateAndUp("mlp.gate_up_proj")};
  return names;
}

TensorNames Glm4GgufNames() {
  TensorNames names = AroundGgufNames();
  names.fused = {FusedGateAndUp("ffn_up")};
  return names;
}

void ShapeGlm4(ModelConfig& model) {
  model.norm_placement = NormPlacement::kAround;
  model.ropes[0].pairing = RopePairing::kNeighbours;
}

Status ReadGlm4Hf(const HfConfig& config, ModelConfig& model) {
  ShapeGlm4(model);
  BITLOSS_DO(RequireFullAttention(config, model));
  return ReadBiases(config, true, BiasOfOutput::kNo, model);
}

Status ReadGlm4Gguf(const GgufConfig&, ModelConfig& model) {
  ShapeGlm4(model);
  return Ok();
}

}  // namespace

const Architecture& Glm4() {
  static constexpr std::array<std::string_view, 1> kClasses = {"Glm4ForCausalLM"};
  static const Architecture architecture = {.name = "glm4",
                                            .classes = kClasses,
                                            .defaults = {.kv_heads = 2,
                                                         .head_dim = 128,
                                                         .positions = 131072,
                                                         .eps = 1.5625e-7,
                                                         .partial_rotary = 0.5},
                                            .read_hf = ReadGlm4Hf,
                                            .hf_names = Glm4Names(),
                                            .gguf_name = "glm4",
                                            .read_gguf = ReadGlm4Gguf,
                                            .gguf_names = Glm4GgufNames()};
  return architecture;
}

}  // namespace bitloss

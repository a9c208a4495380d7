// Phi-3, 3.5, 4 and 4-mini: fused projections, longrope, partly rotated heads.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

TensorNames Phi3Names() {
  TensorNames names = LlamaNames();
  names.fused = {FusedProjections("self_attn.qkv_proj"), FusedGateAndUp("mlp.gate_up_proj")};
  return names;
}

TensorNames Phi3GgufNames() {
  TensorNames names = LlamaGgufNames();
  names.fused = {FusedProjections("attn_qkv"), FusedGateAndUp("ffn_up")};
  return names;
}

Status ReadPhi3Hf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_TRY(const LayerKinds kinds, ReadSlidingLayers(config, 0, AllSliding, 1, model));
  return Ok();
}

Status ReadPhi3Gguf(const GgufConfig& config, ModelConfig& model) {
  BITLOSS_TRY(const uint64_t window,
              config.GetCountOr("attention.sliding_window", 0, kMaxPositions));
  if (window == 0) return Ok();
  for (LayerSpec& layer : LayersOf(model)) layer.window = window;
  return Ok();
}

}  // namespace

const Architecture& Phi3() {
  static constexpr std::array<std::string_view, 1> kClasses = {"Phi3ForCausalLM"};
  static const Architecture architecture = {
      .name = "phi3",
      .classes = kClasses,
      .defaults = {.positions = 4096, .eps = 1e-5, .partial_rotary = 1.0},
      .read_hf = ReadPhi3Hf,
      .hf_names = Phi3Names(),
      .gguf_name = "phi3",
      .read_gguf = ReadPhi3Gguf,
      .gguf_names = Phi3GgufNames()};
  return architecture;
}

}  // namespace bitloss

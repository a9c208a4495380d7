// Qwen3: each head of q and k is normed before it turns.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

Status ReadQwen3Hf(const HfConfig& config, ModelConfig& model) {
  model.head_norms = HeadNorms::kEachHead;
  BITLOSS_DO(ReadBiases(config, false, BiasOfOutput::kAsOthers, model));
  return ReadQwenWindow(config, model);
}

Status ReadQwen3Gguf(const GgufConfig&, ModelConfig& model) {
  model.head_norms = HeadNorms::kEachHead;
  return Ok();
}

}  // namespace

const Architecture& Qwen3() {
  static constexpr std::array<std::string_view, 1> kClasses = {"Qwen3ForCausalLM"};
  static const Architecture architecture = {
      .name = "qwen3",
      .classes = kClasses,
      .defaults = {.kv_heads = 32, .head_dim = 128, .positions = 32768},
      .read_hf = ReadQwen3Hf,
      .hf_names = LlamaNames(),
      .gguf_name = "qwen3",
      .read_gguf = ReadQwen3Gguf,
      .gguf_names = LlamaGgufNames()};
  return architecture;
}

}  // namespace bitloss

// Qwen3: each head of q and k is normed before it turns.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

Status ReadHf(const HfConfig& config, ModelConfig& model) {
  model.head_norms = HeadNorms::kEachHead;
  BITLOSS_DO(ReadBiases(config, false, BiasOfOutput::kAsOthers, model));
  return ReadQwenWindow(config, model);
}

Status ReadGguf(const GgufConfig&, ModelConfig& model) {
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
      .read_hf = ReadHf,
      .hf_names = LlamaNames(),
      .gguf_name = "qwen3",
      .read_gguf = ReadGguf,
      .gguf_names = LlamaGgufNames()};
  return architecture;
}

}  // namespace bitloss

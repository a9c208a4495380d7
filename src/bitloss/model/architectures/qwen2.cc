// Qwen2.5: biases of q, k and v; a window that released models leave off.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

Status ReadQwen2Hf(const HfConfig& config, ModelConfig& model) {
  model.qkv_bias = true;
  return ReadQwenWindow(config, model);
}

Status ReadQwen2Gguf(const GgufConfig&, ModelConfig&) { return Ok(); }

}  // namespace

const Architecture& Qwen2() {
  static constexpr std::array<std::string_view, 1> kClasses = {"Qwen2ForCausalLM"};
  static const Architecture architecture = {.name = "qwen2",
                                            .classes = kClasses,
                                            .defaults = {.positions = 32768},
                                            .read_hf = ReadQwen2Hf,
                                            .hf_names = LlamaNames(),
                                            .gguf_name = "qwen2",
                                            .read_gguf = ReadQwen2Gguf,
                                            .gguf_names = LlamaGgufNames()};
  return architecture;
}

}  // namespace bitloss

// Llama 2 and 3, TinyLlama, SmolLM2, Yi, ...: what the others differ from.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

Status ReadLlamaHf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_DO(RequireFullAttention(config, model));
  return ReadBiases(config, false, BiasOfOutput::kAsOthers, model);
}

Status ReadLlamaGguf(const GgufConfig&, ModelConfig&) { return Ok(); }

}  // namespace

const Architecture& Llama() {
  static constexpr std::array<std::string_view, 1> kClasses = {"LlamaForCausalLM"};
  static const Architecture architecture = {.name = "llama",
                                            .classes = kClasses,
                                            .defaults = {},
                                            .read_hf = ReadLlamaHf,
                                            .hf_names = LlamaNames(),
                                            .gguf_name = "llama",
                                            .read_gguf = ReadLlamaGguf,
                                            .gguf_names = LlamaGgufNames()};
  return architecture;
}

}  // namespace bitloss

// Llama 2 and 3, TinyLlama, SmolLM2, Yi, ...: what the others differ from.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

Status ReadHf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_DO(RequireFullAttention(config, model));
  return ReadBiases(config, false, BiasOfOutput::kAsOthers, model);
}

Status ReadGguf(const GgufConfig&, ModelConfig&) { return Ok(); }

}  // namespace

const Architecture& Llama() {
  static constexpr std::array<std::string_view, 1> kClasses = {"LlamaForCausalLM"};
  static const Architecture architecture = {.name = "llama",
                                            .classes = kClasses,
                                            .defaults = {},
                                            .read_hf = ReadHf,
                                            .hf_names = LlamaNames(),
                                            .gguf_name = "llama",
                                            .read_gguf = ReadGguf,
                                            .gguf_names = LlamaGgufNames()};
  return architecture;
}

}  // namespace bitloss

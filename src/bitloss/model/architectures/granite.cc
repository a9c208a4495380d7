// Granite 3 and 4, dense: Llama with four multipliers.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

Status ReadGraniteHf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_DO(ReadGraniteScales(config, model));
  BITLOSS_DO(RequireFullAttention(config, model));
  return ReadBiases(config, false, BiasOfOutput::kAsOthers, model);
}

Status ReadGraniteGguf(const GgufConfig& config, ModelConfig& model) {
  return ReadGraniteGgufScales(config, model);
}

}  // namespace

const Architecture& Granite() {
  static constexpr std::array<std::string_view, 1> kClasses = {"GraniteForCausalLM"};
  static const Architecture architecture = {.name = "granite",
                                            .classes = kClasses,
                                            .defaults = {},
                                            .read_hf = ReadGraniteHf,
                                            .hf_names = LlamaNames(),
                                            .gguf_name = "granite",
                                            .read_gguf = ReadGraniteGguf,
                                            .gguf_names = LlamaGgufNames()};
  return architecture;
}

}  // namespace bitloss

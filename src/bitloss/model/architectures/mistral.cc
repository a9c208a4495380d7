// Mistral 7B, Nemo, Small: Llama with a window in older ones. Their GGUF files say "llama".
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

Status ReadMistralHf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_TRY(const LayerKinds kinds, ReadSlidingLayers(config, 4096, AllSliding, 1, model));
  return Ok();
}

}  // namespace

const Architecture& Mistral() {
  static constexpr std::array<std::string_view, 2> kClasses = {"MistralForCausalLM",
                                                               "Mistral3ForConditionalGeneration"};
  static const Architecture architecture = {.name = "mistral",
                                            .classes = kClasses,
                                            .defaults = {.kv_heads = 8, .positions = 131072},
                                            .read_hf = ReadMistralHf,
                                            .hf_names = LlamaNames(),
                                            .gguf_name = {},
                                            .gguf_names = {}};
  return architecture;
}

}  // namespace bitloss

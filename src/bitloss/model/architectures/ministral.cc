// Ministral 8B (2410): Mistral whose layers may differ in their window.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

Status ReadMinistralHf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_TRY(const LayerKinds kinds, ReadSlidingLayers(config, 4096, AllSliding, 1, model));
  return Ok();
}

}  // namespace

const Architecture& Ministral() {
  static constexpr std::array<std::string_view, 1> kClasses = {"MinistralForCausalLM"};
  static const Architecture architecture = {.name = "ministral",
                                            .classes = kClasses,
                                            .defaults = {.kv_heads = 8, .positions = 131072},
                                            .read_hf = ReadMinistralHf,
                                            .hf_names = LlamaNames(),
                                            .gguf_name = {},
                                            .gguf_names = {}};
  return architecture;
}

}  // namespace bitloss

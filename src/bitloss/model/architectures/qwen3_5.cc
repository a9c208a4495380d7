// Qwen3.5, dense and with experts, its text model: delta rules and gated attention in turn.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

Status ReadMoeHf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_DO(ReadDelta(config, model));
  return ReadGatedExperts(
      config, {.count = 256, .chosen = 8, .width = 512, .shared_width = 512, .router = {}}, model);
}

// llama.cpp's converter puts value heads of one key head apart.
Status ReadQwen35Gguf(const GgufConfig& config, ModelConfig& model) {
  BITLOSS_DO(ReadDeltaGguf(config, model));
  model.delta->shape.is_tiled = true;
  return Ok();
}

Status ReadMoeGguf(const GgufConfig& config, ModelConfig& model) {
  BITLOSS_DO(ReadQwen35Gguf(config, model));
  return ReadGatedGgufExperts(config, model);
}

constexpr HfDefaults kQwen35Defaults = {
    .kv_heads = 4, .head_dim = 256, .positions = 32768, .partial_rotary = 0.25};
constexpr HfDefaults kMoeDefaults = {.kv_heads = 2,
                                     .head_dim = 256,
                                     .intermediate = 512,
                                     .positions = 32768,
                                     .partial_rotary = 0.25};

}  // namespace

const Architecture& Qwen35() {
  static constexpr std::array<std::string_view, 2> kClasses = {"Qwen3_5ForCausalLM",
                                                               "Qwen3_5ForConditionalGeneration"};
  static const Architecture architecture = {.name = "qwen3_5_text",
                                            .classes = kClasses,
                                            .defaults = kQwen35Defaults,
                                            .read_hf = ReadDelta,
                                            .hf_names = DeltaNames(),
                                            .gguf_name = "qwen35",
                                            .read_gguf = ReadQwen35Gguf,
                                            .gguf_names = DeltaGgufNames()};
  return architecture;
}

const Architecture& Qwen35Moe() {
  static constexpr std::array<std::string_view, 2> kClasses = {
      "Qwen3_5MoeForCausalLM", "Qwen3_5MoeForConditionalGeneration"};
  static const Architecture architecture = {.name = "qwen3_5_moe_text",
                                            .classes = kClasses,
                                            .defaults = kMoeDefaults,
                                            .read_hf = ReadMoeHf,
                                            .hf_names = DeltaNames(),
                                            .gguf_name = "qwen35moe",
                                            .read_gguf = ReadMoeGguf,
                                            .gguf_names = DeltaGgufNames()};
  return architecture;
}

}  // namespace bitloss

// SmolLM3: Llama in which every fourth layer does not rotate.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

constexpr size_t kInterval = 4;

Status ReadSmollm3Hf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_DO(ReadBiases(config, false, BiasOfOutput::kAsOthers, model));
  BITLOSS_TRY(const uint64_t interval,
              config.GetSizeOr("no_rope_layer_interval", kInterval, kMaxLayers));
  std::vector<double> rotates;
  if (config.Has("no_rope_layers")) {
    BITLOSS_TRY(rotates, config.GetNumbers("no_rope_layers"));
    if (rotates.size() != model.num_layers) {
      return BadInput("{}: has {} entries for {} layers", config.Place("no_rope_layers"),
                      rotates.size(), model.num_layers);
    }
  }
  BITLOSS_TRY(const bool slides, config.GetBoolOr("use_sliding_window", false));
  if (slides) {
    return Unsupported("{}: is true, which is not known in smollm3",
                       config.Place("use_sliding_window"));
  }
  BITLOSS_DO(RequireFullAttention(config, model));
  std::vector<LayerSpec>& layers = LayersOf(model);
  for (size_t i = 0; i < layers.size(); ++i) {
    const bool stays = rotates.empty() ? (i + 1) % interval == 0 : rotates[i] == 0;
    if (stays) layers[i].rope.reset();
  }
  return Ok();
}

Status ReadSmollm3Gguf(const GgufConfig&, ModelConfig& model) {
  std::vector<LayerSpec>& layers = LayersOf(model);
  for (size_t i = kInterval - 1; i < layers.size(); i += kInterval) layers[i].rope.reset();
  return Ok();
}

}  // namespace

const Architecture& SmolLm3() {
  static constexpr std::array<std::string_view, 1> kClasses = {"SmolLM3ForCausalLM"};
  static const Architecture architecture = {
      .name = "smollm3",
      .classes = kClasses,
      .defaults = {.kv_heads = 4, .positions = 32768, .theta = 2e6, .tied = true},
      .read_hf = ReadSmollm3Hf,
      .hf_names = LlamaNames(),
      .gguf_name = "smollm3",
      .read_gguf = ReadSmollm3Gguf,
      .gguf_names = LlamaGgufNames()};
  return architecture;
}

}  // namespace bitloss

// Granite with sinks, windows and a rope for each layer.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

TensorNames GraniteSwaNames() {
  TensorNames names = LlamaNames();
  names.kept[static_cast<size_t>(Kept::kSinks)] = "self_attn.sinks";
  return names;
}

// Each base is a table of its own; 0: the layer does not rotate.
Status ReadGraniteSwaRopes(const HfConfig& config, ModelConfig& model) {
  if (!config.Has("layer_rope_theta")) return Ok();
  BITLOSS_TRY(const std::vector<double> bases, config.GetNumbers("layer_rope_theta"));
  if (bases.size() != model.num_layers) {
    return BadInput("{}: has {} entries for {} layers", config.Place("layer_rope_theta"),
                    bases.size(), model.num_layers);
  }
  std::vector<LayerSpec>& layers = LayersOf(model);
  const RopeConfig common = model.ropes[0];
  model.ropes.clear();
  for (size_t i = 0; i < layers.size(); ++i) {
    layers[i].rope.reset();
    if (bases[i] == 0) continue;
    size_t table = 0;
    while (table < model.ropes.size() && model.ropes[table].theta != bases[i]) ++table;
    if (table == model.ropes.size()) {
      model.ropes.push_back(common);
      model.ropes.back().theta = bases[i];
    }
    layers[i].rope = table;
  }
  return Ok();
}

Status ReadGraniteSwaHf(const HfConfig& config, ModelConfig& model) {
  model.has_sinks = true;
  BITLOSS_DO(ReadGraniteScales(config, model));
  BITLOSS_DO(ReadBiases(config, false, BiasOfOutput::kAsOthers, model));
  BITLOSS_TRY(const LayerKinds kinds, ReadSlidingLayers(
                                          config, 128,
                                          [](size_t layer, size_t period) {
                                            return layer % period == 0 ? kFullAttention
                                                                       : kSlidingAttention;
                                          },
                                          4, model));
  return ReadGraniteSwaRopes(config, model);
}

}  // namespace

const Architecture& GraniteSwa() {
  static constexpr std::array<std::string_view, 1> kClasses = {"GraniteSWAForCausalLM"};
  static const Architecture architecture = {
      .name = "granite_swa",
      .classes = kClasses,
      .defaults = {.kv_heads = 4, .positions = 8192, .eps = 1e-5, .tied = true},
      .read_hf = ReadGraniteSwaHf,
      .hf_names = GraniteSwaNames(),
      .gguf_name = {},
      .gguf_names = {}};
  return architecture;
}

}  // namespace bitloss

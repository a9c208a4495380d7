#include "bitloss/model/stream.h"

namespace bitloss {

StreamLayout::StreamLayout(const ModelConfig& config) : layers_(config.num_layers) {
  residual_ = Take(config.hidden_size);
  if (config.altup) Take((config.altup->streams - 1) * config.hidden_size);
  if (config.per_layer_input) per_layer_ = Take(config.num_layers * config.per_layer_input->width);
  for (size_t layer = 0; layer < config.num_layers; ++layer) {
    const std::optional<size_t> source = config.layer(layer).kv_source;
    if (!source || layers_[*source].keys.size() > 0) continue;
    layers_[*source] = {Take(config.key_width(*source)), Take(config.value_width(*source))};
  }
}

ColumnRange StreamLayout::per_layer(size_t layer) const {
  const size_t width = per_layer_.size() / layers_.size();
  return {per_layer_.begin + layer * width, per_layer_.begin + (layer + 1) * width};
}

ColumnRange StreamLayout::Take(size_t count) {
  width_ += count;
  return {width_ - count, width_};
}

}  // namespace bitloss

#include "bitloss/model/batch.h"

namespace bitloss {

namespace {

struct RowsAndCols {
  uint64_t rows = 0;
  uint64_t cols = 0;
};
struct LayerShapes {
  RowsAndCols keys;
  RowsAndCols values;
};

LayerShapes ShapesOf(const ModelConfig& config, size_t layer, uint64_t capacity) {
  switch (config.layer(layer).mixer) {
    case Mixer::kAttention:
    case Mixer::kLatentAttention:
      if (config.layer(layer).kv_source) return {};
      return {{capacity, config.key_width(layer)}, {capacity, config.value_width(layer)}};
    case Mixer::kDeltaRule: {
      const DeltaSpec& delta = *config.delta;
      return {{delta.kernel - 1, delta.channels()},
              {delta.shape.value_heads * delta.shape.key_dim, delta.shape.value_dim}};
    }
    case Mixer::kShortConvolution:
      return {{config.conv_kernel - 1, config.hidden_size}, {}};
  }
  return {};
}

}  // namespace

uint64_t KvCache::BytesOf(const ModelConfig& config, uint64_t num_tokens, uint64_t num_sequences) {
  uint64_t floats = 0;
  for (size_t layer = 0; layer < config.num_layers; ++layer) {
    const Mixer mixer = config.layer(layer).mixer;
    const bool grows = mixer == Mixer::kAttention || mixer == Mixer::kLatentAttention;
    const LayerShapes shapes = ShapesOf(config, layer, grows ? num_tokens : 0);
    const uint64_t of_layer =
        shapes.keys.rows * shapes.keys.cols + shapes.values.rows * shapes.values.cols;
    floats += grows ? of_layer : num_sequences * of_layer;
  }
  return floats * sizeof(float);
}

KvCache::KvCache(const ModelConfig& config, std::span<const size_t> capacities,
                 TensorMemory& memory)
    : num_layers_(config.num_layers),
      capacities_(capacities.begin(), capacities.end()),
      lengths_(capacities.size(), 0) {
  for (const size_t capacity : capacities_) {
    for (size_t layer = 0; layer < num_layers_; ++layer) {
      const LayerShapes shapes = ShapesOf(config, layer, capacity);
      keys_.emplace_back(memory, shapes.keys.rows, shapes.keys.cols);
      values_.emplace_back(memory, shapes.values.rows, shapes.values.cols);
    }
  }
}

void KvCache::Advance(size_t slot, size_t count) {
  lengths_[slot] += count;
  BITLOSS_CHECK(lengths_[slot] <= capacities_[slot]);
}

void Batch::Add(std::span<const int32_t> tokens) { Append(tokens, 0); }

void Batch::Continue(std::span<const int32_t> tokens, const KvCache& cache, size_t slot) {
  BITLOSS_CHECK(cache.length(slot) + tokens.size() <= cache.capacity(slot));
  Append(tokens, cache.length(slot));
  slots_.push_back(slot);
}

void Batch::Branch(std::span<const int32_t> tokens, std::span<const RowRange> before) {
  BITLOSS_CHECK(!before.empty() && slots_.empty());
  size_t first_position = 0;
  for (const RowRange rows : before) first_position += rows.size();
  Append(tokens, first_position);
  before_.back().assign(before.begin(), before.end());
  has_branches_ = true;
}

std::vector<Batch> Batch::Groups(size_t max_tokens) const {
  std::vector<Batch> groups;
  size_t first_row = 0;
  for (size_t begin = 0; begin < sequences_.size();) {
    size_t end = begin + 1;
    while (end < sequences_.size() && !before_[end].empty()) ++end;
    const size_t num_tokens = sequences_[end - 1].end - sequences_[begin].begin;
    if (groups.empty() || groups.back().tokens_.size() + num_tokens > max_tokens) {
      groups.emplace_back();
      first_row = sequences_[begin].begin;
    }
    for (; begin < end; ++begin) groups.back().Take(*this, begin, first_row);
  }
  return groups;
}

void Batch::Take(const Batch& other, size_t i, size_t first_row) {
  const RowRange rows = other.sequences_[i];
  Append(other.tokens().subspan(rows.begin, rows.size()), other.first_position(i));
  if (!other.slots_.empty()) slots_.push_back(other.slots_[i]);
  for (const RowRange before : other.before_[i]) {
    before_.back().push_back({before.begin - first_row, before.end - first_row});
    has_branches_ = true;
  }
}

void Batch::Append(std::span<const int32_t> tokens, size_t first_position) {
  BITLOSS_CHECK(!tokens.empty());
  sequences_.push_back({tokens_.size(), tokens_.size() + tokens.size()});
  before_.emplace_back();
  for (const int32_t token : tokens) {
    positions_.push_back(static_cast<uint32_t>(first_position++));
    tokens_.push_back(token);
  }
}

}  // namespace bitloss

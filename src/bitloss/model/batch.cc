#include "bitloss/model/batch.h"

namespace bitloss {

KvCache::KvCache(const ModelConfig& config, std::span<const size_t> capacities,
                 TensorMemory& memory)
    : num_layers_(config.num_layers),
      capacities_(capacities.begin(), capacities.end()),
      lengths_(capacities.size(), 0) {
  const size_t width = config.num_kv_heads * config.head_dim;
  for (const size_t capacity : capacities_) {
    for (size_t layer = 0; layer < num_layers_; ++layer) {
      keys_.emplace_back(memory, capacity, width);
      values_.emplace_back(memory, capacity, width);
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

std::vector<Batch> Batch::Groups(size_t max_tokens) const {
  std::vector<Batch> groups;
  for (size_t i = 0; i < sequences_.size(); ++i) {
    const RowRange rows = sequences_[i];
    if (groups.empty() || groups.back().tokens_.size() + rows.size() > max_tokens) {
      groups.emplace_back();
    }
    Batch& group = groups.back();
    group.Append(tokens().subspan(rows.begin, rows.size()), first_position(i));
    if (!slots_.empty()) group.slots_.push_back(slots_[i]);
  }
  return groups;
}

void Batch::Append(std::span<const int32_t> tokens, size_t first_position) {
  BITLOSS_CHECK(!tokens.empty());
  sequences_.push_back({tokens_.size(), tokens_.size() + tokens.size()});
  for (const int32_t token : tokens) {
    positions_.push_back(static_cast<uint32_t>(first_position++));
    tokens_.push_back(token);
  }
}

}  // namespace bitloss

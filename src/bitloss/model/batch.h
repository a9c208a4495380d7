// What goes through a model at once: sequences of different lengths, one after the other.
#ifndef BITLOSS_MODEL_BATCH_H_
#define BITLOSS_MODEL_BATCH_H_

#include <cstdint>
#include <span>
#include <vector>

#include "bitloss/compute/backend.h"
#include "bitloss/model/config.h"

namespace bitloss {

// Keys and values of earlier tokens, or what a layer that has none keeps of them, FP32, for
// sequences that are continued (generation). The host's memory is touched as it fills, so a
// generous capacity costs nothing until it is used.
class KvCache {
 public:
  // One slot for each sequence; capacities[slot] tokens at most.
  KvCache(const ModelConfig& config, std::span<const size_t> capacities, TensorMemory& memory);

  size_t num_slots() const { return lengths_.size(); }
  size_t length(size_t slot) const { return lengths_[slot]; }
  size_t capacity(size_t slot) const { return capacities_[slot]; }

  // What sequences of so many tokens in all take.
  static uint64_t BytesOf(const ModelConfig& config, uint64_t num_tokens, uint64_t num_sequences);

  // [capacity][num_kv_heads * head_dim] of one layer, and the same of value_dim. None of a layer
  // that attends to an earlier one's.
  DeviceView Keys(size_t slot, size_t layer) { return keys_[slot * num_layers_ + layer].view(); }
  DeviceView Values(size_t slot, size_t layer) {
    return values_[slot * num_layers_ + layer].view();
  }

  // Of a delta rule or a short convolution: the rows that come before the next [kernel -
  // 1][channels], and the states of its heads [value_heads * key_dim][value_dim].
  DeviceView Past(size_t slot, size_t layer) { return Keys(slot, layer); }
  DeviceView State(size_t slot, size_t layer) { return Values(slot, layer); }

  // After a forward pass wrote `count` more rows in every layer.
  void Advance(size_t slot, size_t count);

 private:
  size_t num_layers_;
  std::vector<size_t> capacities_;
  std::vector<size_t> lengths_;
  std::vector<Tensor> keys_;
  std::vector<Tensor> values_;
};

// New tokens of one or more sequences.
class Batch {
 public:
  // Appends a sequence that starts at position 0 and keeps nothing.
  void Add(std::span<const int32_t> tokens);
  // Appends tokens that continue the sequence in `slot` of the batch's cache.
  void Continue(std::span<const int32_t> tokens, const KvCache& cache, size_t slot);
  // Appends tokens that go on where `before` ends: rows of this batch, in the order of positions,
  // that hold all that comes before. A sequence so branches off another, whose rows it shares.
  // Requires: no cache; `before` begins with the first row of the last sequence of Add, and lies
  // behind that row.
  void Branch(std::span<const int32_t> tokens, std::span<const RowRange> before);

  // Its sequences in order, neighbours together as long as they have at most `max_tokens` tokens;
  // what branches off a sequence stays with it.
  std::vector<Batch> Groups(size_t max_tokens) const;

  std::span<const int32_t> tokens() const { return tokens_; }
  std::span<const uint32_t> positions() const { return positions_; }
  // The rows of each sequence, in order; together they are all rows.
  std::span<const RowRange> sequences() const { return sequences_; }
  std::span<const size_t> slots() const { return slots_; }  // empty without a cache
  // The rows that hold what comes before a sequence that branches off another; else none.
  std::span<const RowRange> before(size_t sequence) const { return before_[sequence]; }
  bool has_branches() const { return has_branches_; }
  size_t first_position(size_t sequence) const { return positions_[sequences_[sequence].begin]; }

 private:
  void Append(std::span<const int32_t> tokens, size_t first_position);
  // Sequence `i` of another batch, whose row `first_row` becomes the first of this one.
  void Take(const Batch& other, size_t i, size_t first_row);

  std::vector<int32_t> tokens_;
  std::vector<uint32_t> positions_;
  std::vector<RowRange> sequences_;
  std::vector<std::vector<RowRange>> before_;  // of each sequence
  std::vector<size_t> slots_;
  bool has_branches_ = false;
};

}  // namespace bitloss

#endif  // BITLOSS_MODEL_BATCH_H_

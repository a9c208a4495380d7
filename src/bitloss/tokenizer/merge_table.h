// Which two neighbouring tokens join to which third, and how early.
#ifndef BITLOSS_TOKENIZER_MERGE_TABLE_H_
#define BITLOSS_TOKENIZER_MERGE_TABLE_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bitloss/tokenizer/token_id.h"

namespace bitloss {

struct Merge {
  uint32_t rank;  // lower joins first
  TokenId result;
};

// Pair of tokens -> Merge. Open addressing, sized once. Reading is thread-safe.
class MergeTable {
 public:
  // Room for `num_merges`; the slots are at most half used.
  explicit MergeTable(size_t num_merges) : slots_(std::bit_ceil(num_merges * 2 + 1)) {}

  // A pair that is there already takes the later merge, as in `tokenizers`.
  // Requires: no more pairs than announced.
  void Insert(TokenId left, TokenId right, Merge merge) {
    Slot& slot = slots_[SlotOf(Key(left, right))];
    slot = {Key(left, right), merge};
  }

  // Null if the two do not join.
  const Merge* Find(TokenId left, TokenId right) const {
    const Slot& slot = slots_[SlotOf(Key(left, right))];
    return slot.key == kFree ? nullptr : &slot.merge;
  }

 private:
  static constexpr uint64_t kFree = UINT64_MAX;  // no pair: ids are not negative
  struct Slot {
    uint64_t key = kFree;
    Merge merge = {};
  };

  static uint64_t Key(TokenId left, TokenId right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  size_t SlotOf(uint64_t key) const {
    const size_t mask = slots_.size() - 1;
    size_t i = static_cast<size_t>((key * 0x9E3779B97F4A7C15) >> 20) & mask;
    while (slots_[i].key != key && slots_[i].key != kFree) i = (i + 1) & mask;
    return i;
  }

  std::vector<Slot> slots_;
};

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_MERGE_TABLE_H_

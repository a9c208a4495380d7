// The ids of short pieces that were encoded before: words repeat.
#ifndef BITLOSS_TOKENIZER_PIECE_CACHE_H_
#define BITLOSS_TOKENIZER_PIECE_CACHE_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "bitloss/tokenizer/token_id.h"

namespace bitloss {

// For one thread and one model. A new piece takes the place of an older one.
class PieceCache {
 public:
  // Appends the ids of `piece` if they are known.
  bool Find(std::string_view piece, std::vector<TokenId>& ids) const {
    if (slots_.empty() || piece.size() > kMaxBytes) return false;
    const Slot& slot = slots_[SlotOf(piece)];
    if (std::string_view(slot.text.data(), slot.num_bytes) != piece) return false;
    ids.insert(ids.end(), slot.ids.begin(), slot.ids.begin() + slot.num_ids);
    return true;
  }

  // Requires: `piece` is not empty.
  void Insert(std::string_view piece, std::span<const TokenId> ids) {
    if (piece.size() > kMaxBytes || ids.size() > kMaxIds) return;
    if (slots_.empty()) slots_.resize(kNumSlots);
    Slot& slot = slots_[SlotOf(piece)];
    slot.num_bytes = static_cast<uint8_t>(piece.size());
    slot.num_ids = static_cast<uint8_t>(ids.size());
    std::copy(piece.begin(), piece.end(), slot.text.begin());
    std::copy(ids.begin(), ids.end(), slot.ids.begin());
  }

 private:
  static constexpr size_t kNumSlots = 8192;
  static constexpr size_t kMaxBytes = 30;
  static constexpr size_t kMaxIds = 8;
  struct Slot {
    uint8_t num_bytes = 0;  // 0: free
    uint8_t num_ids = 0;
    std::array<char, kMaxBytes> text;
    std::array<TokenId, kMaxIds> ids;
  };

  static size_t SlotOf(std::string_view piece) {
    return std::hash<std::string_view>()(piece) % kNumSlots;
  }

  std::vector<Slot> slots_;  // none until the first is needed
};

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_PIECE_CACHE_H_

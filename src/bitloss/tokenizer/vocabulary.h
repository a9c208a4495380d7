// Tokens by id and ids by token.
#ifndef BITLOSS_TOKENIZER_VOCABULARY_H_
#define BITLOSS_TOKENIZER_VOCABULARY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/tokenizer/token_id.h"

namespace bitloss {

// One-to-one between byte strings and ids; ids may have holes. Reading is thread-safe.
class Vocabulary {
 public:
  // Larger ids are refused: an id is an index into tables, and the largest vocabularies in use
  // have a quarter of a million tokens.
  static constexpr uint64_t kMaxTokens = uint64_t{1} << 22;

  // kBadInput if the id is too large or taken, or the spelling is there already.
  Status Add(std::string_view spelling, uint64_t id);

  // Makes room for so many tokens in all.
  void Reserve(size_t num_tokens);

  std::optional<TokenId> Find(std::string_view spelling) const;

  bool Has(TokenId id) const {
    return id >= 0 && static_cast<size_t>(id) < entries_.size() &&
           entries_[static_cast<size_t>(id)].offset != kHole;
  }
  // Empty for a hole or an id outside.
  std::string_view Spelling(TokenId id) const;

  // One more than the largest id.
  size_t num_ids() const { return entries_.size(); }
  size_t num_tokens() const { return num_tokens_; }

 private:
  static constexpr uint32_t kHole = UINT32_MAX;
  struct Entry {
    uint32_t offset = kHole;
    uint32_t length = 0;
  };
  struct Slot {
    uint32_t hash = 0;  // the upper half; saves most comparisons of strings
    TokenId id = -1;    // -1: free
  };

  std::string_view Text(TokenId id) const;
  void Grow(size_t num_slots);
  void Place(uint64_t hash, TokenId id);

  std::string text_;            // all spellings, one after the other
  std::vector<Entry> entries_;  // by id
  std::vector<Slot> slots_;     // open addressing, a power of two, at most 5/8 full
  size_t num_tokens_ = 0;
};

// The tokens "<0x00>" to "<0xFF>" by byte; -1 where there is none.
std::array<TokenId, 256> SpelledByteTokens(const Vocabulary& vocabulary);

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_VOCABULARY_H_

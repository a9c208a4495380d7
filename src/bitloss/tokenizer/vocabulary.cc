#include "bitloss/tokenizer/vocabulary.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace bitloss {
namespace {

// Multiply and fold, eight bytes at a time. Good enough for a table; not for hostile choice of
// keys, which costs its sender time and nothing else.
uint64_t HashOf(std::string_view text) {
  constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15;
  uint64_t hash = text.size() * kMultiplier;
  const auto mix = [&](uint64_t word) {
    hash = (hash ^ word) * kMultiplier;
    hash ^= hash >> 32;
  };
  const char* p = text.data();
  size_t left = text.size();
  for (; left >= 8; p += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    mix(word);
  }
  uint64_t tail = 0;
  if (left > 0) std::memcpy(&tail, p, left);
  mix(tail);
  return hash;
}

}  // namespace

Status Vocabulary::Add(std::string_view spelling, uint64_t id) {
  if (id >= kMaxTokens) {
    return BadInput("token '{}' has id {}; ids up to {} are accepted", spelling, id,
                    kMaxTokens - 1);
  }
  const auto token = static_cast<TokenId>(id);
  if (Has(token)) {
    return BadInput("id {} is given to '{}' and to '{}'", id, Spelling(token), spelling);
  }
  if (const auto other = Find(spelling)) {
    return BadInput("token '{}' is listed twice, as id {} and as id {}", spelling, *other, id);
  }
  if (spelling.size() >= kHole - text_.size()) {
    return BadInput("the tokens' spellings take more than 4 GiB");
  }
  if (entries_.size() <= id) entries_.resize(id + 1);
  entries_[id] = {static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(spelling.size())};
  text_ += spelling;
  ++num_tokens_;
  if (num_tokens_ * 8 > slots_.size() * 5) Grow(std::max<size_t>(64, slots_.size() * 2));
  Place(HashOf(spelling), token);
  return Ok();
}

void Vocabulary::Reserve(size_t num_tokens) {
  num_tokens = std::min<size_t>(num_tokens, kMaxTokens);
  entries_.reserve(num_tokens);
  if (num_tokens * 8 > slots_.size() * 5) Grow(std::bit_ceil(num_tokens * 8 / 5 + 1));
}

std::optional<TokenId> Vocabulary::Find(std::string_view spelling) const {
  if (slots_.empty()) return std::nullopt;
  const uint64_t hash = HashOf(spelling);
  const size_t mask = slots_.size() - 1;
  for (size_t i = hash & mask;; i = (i + 1) & mask) {
    const Slot& slot = slots_[i];
    if (slot.id < 0) return std::nullopt;
    if (slot.hash == static_cast<uint32_t>(hash >> 32) && Text(slot.id) == spelling) return slot.id;
  }
}

std::string_view Vocabulary::Spelling(TokenId id) const {
  return Has(id) ? Text(id) : std::string_view();
}

std::string_view Vocabulary::Text(TokenId id) const {
  const Entry& entry = entries_[static_cast<size_t>(id)];
  return std::string_view(text_).substr(entry.offset, entry.length);
}

void Vocabulary::Grow(size_t num_slots) {
  std::vector<Slot> old(num_slots);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.id >= 0) Place(HashOf(Text(slot.id)), slot.id);
  }
}

void Vocabulary::Place(uint64_t hash, TokenId id) {
  const size_t mask = slots_.size() - 1;
  size_t i = hash & mask;
  while (slots_[i].id >= 0) i = (i + 1) & mask;
  slots_[i] = {static_cast<uint32_t>(hash >> 32), id};
}

std::array<TokenId, 256> SpelledByteTokens(const Vocabulary& vocabulary) {
  std::array<TokenId, 256> tokens;
  for (size_t byte = 0; byte < 256; ++byte) {
    tokens[byte] = vocabulary.Find(fmt::format("<0x{:02X}>", byte)).value_or(-1);
  }
  return tokens;
}

}  // namespace bitloss

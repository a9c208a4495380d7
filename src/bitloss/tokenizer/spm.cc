#include "bitloss/tokenizer/spm.h"

#include <queue>

#include "bitloss/tokenizer/characters.h"

namespace bitloss {
namespace {
constexpr size_t kNoSymbol = SIZE_MAX;
}  // namespace

// A stretch of the piece; empty when it has joined the one before.
struct SpmModel::Symbol {
  std::string_view text;
  size_t previous;
  size_t next;
};

// Two neighbours whose text is a token.
struct SpmModel::Candidate {
  float score;
  size_t left;
  size_t right;
  size_t num_bytes;  // of both when they were found; another number now means another pair
  bool operator<(const Candidate& other) const {
    return score != other.score ? score < other.score : left > other.left;
  }
};

SpmModel::SpmModel(Vocabulary pieces, std::vector<float> scores,
                   std::array<TokenId, 256> byte_tokens, std::optional<TokenId> unknown)
    : pieces_(std::move(pieces)),
      cuts_(pieces_),
      scores_(std::move(scores)),
      byte_tokens_(byte_tokens),
      unknown_(unknown) {}

Status SpmModel::Encode(std::string_view piece, Scratch& scratch, std::vector<TokenId>& ids) const {
  cuts_.ForEach(piece, [&](std::string_view word) {
    if (scratch.cache.Find(word, ids)) return;
    const size_t before = ids.size();
    MergeWord(word, ids);
    scratch.cache.Insert(word, std::span(ids).subspan(before));
  });
  return Ok();
}

void SpmModel::MergeWord(std::string_view piece, std::vector<TokenId>& ids) const {
  std::vector<Symbol> symbols;
  for (size_t at = 0; at < piece.size(); at += Utf8Length(piece[at])) {
    const size_t i = symbols.size();
    symbols.push_back({piece.substr(at, Utf8Length(piece[at])), i == 0 ? kNoSymbol : i - 1, i + 1});
  }
  if (symbols.empty()) return;
  symbols.back().next = kNoSymbol;

  std::priority_queue<Candidate> queue;
  const auto offer = [&](size_t left, size_t right) {
    if (left == kNoSymbol || right == kNoSymbol) return;
    const std::string_view a = symbols[left].text;
    const size_t num_bytes = a.size() + symbols[right].text.size();
    // Neighbours are next to each other in the piece.
    const auto token = pieces_.Find(std::string_view(a.data(), num_bytes));
    if (token) queue.push({scores_[static_cast<size_t>(*token)], left, right, num_bytes});
  };
  for (size_t i = 1; i < symbols.size(); ++i) offer(i - 1, i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbols[best.left];
    Symbol& right = symbols[best.right];
    if (left.text.empty() || right.text.empty() ||
        left.text.size() + right.text.size() != best.num_bytes) {
      continue;
    }
    left.text = std::string_view(left.text.data(), best.num_bytes);
    right.text = {};
    left.next = right.next;
    if (left.next != kNoSymbol) symbols[left.next].previous = best.left;
    offer(left.previous, best.left);
    offer(best.left, left.next);
  }
  for (size_t i = 0; i != kNoSymbol; i = symbols[i].next) Append(symbols[i].text, ids);
}

void SpmModel::Append(std::string_view symbol, std::vector<TokenId>& ids) const {
  if (const auto token = pieces_.Find(symbol)) {
    ids.push_back(*token);
    return;
  }
  for (const char byte : symbol) {
    const TokenId token = byte_tokens_[static_cast<uint8_t>(byte)];
    if (token >= 0) {
      ids.push_back(token);
    } else if (unknown_) {
      ids.push_back(*unknown_);
    }
  }
}

}  // namespace bitloss

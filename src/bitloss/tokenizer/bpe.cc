#include "bitloss/tokenizer/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <queue>

#include "bitloss/base/check.h"
#include "bitloss/tokenizer/byte_alphabet.h"
#include "bitloss/tokenizer/characters.h"

namespace bitloss {
namespace {

constexpr uint32_t kNoRank = UINT32_MAX;
constexpr size_t kNoNeighbour = SIZE_MAX;
// Up to here looking at all pairs for each merge beats a queue.
constexpr size_t kShortPiece = 48;

// The vocabulary in the spelling of text. Tokens that are not written in letters cannot come from
// bytes and are left out.
Vocabulary InSpellingOfText(const Vocabulary& vocabulary, BpeAlphabet alphabet) {
  if (alphabet == BpeAlphabet::kCharacters) return vocabulary;
  Vocabulary bytes;
  bytes.Reserve(vocabulary.num_tokens());
  for (size_t id = 0; id < vocabulary.num_ids(); ++id) {
    const auto token = static_cast<TokenId>(id);
    if (!vocabulary.Has(token)) continue;
    if (const auto spelling = BytesOfLetters(vocabulary.Spelling(token))) {
      const Status added = bytes.Add(*spelling, id);
      BITLOSS_CHECK(added.ok());  // letters and bytes are one-to-one
    }
  }
  return bytes;
}

std::array<TokenId, 256> ByteTokens(const Vocabulary& vocabulary, BpeAlphabet alphabet) {
  if (alphabet == BpeAlphabet::kCharacters) return SpelledByteTokens(vocabulary);
  std::array<TokenId, 256> tokens;
  for (size_t byte = 0; byte < 256; ++byte) {
    tokens[byte] =
        vocabulary.Find(LettersOfBytes(std::string(1, static_cast<char>(byte)))).value_or(-1);
  }
  return tokens;
}

}  // namespace

std::string DescribeBpe(const BpeOptions& options) {
  return fmt::format("bpe {} {} {} {} {}\n", static_cast<int>(options.alphabet),
                     static_cast<int>(options.whole_pieces),
                     static_cast<int>(options.byte_fallback), options.unknown.value_or(-1),
                     static_cast<int>(options.unknowns));
}

BpeModel::BpeModel(const Vocabulary& vocabulary, MergeTable merges, const BpeOptions& options)
    : options_(options),
      pieces_(InSpellingOfText(vocabulary, options.alphabet)),
      cuts_(options.alphabet == BpeAlphabet::kCharacters ? WordCuts(vocabulary) : WordCuts()),
      merges_(std::move(merges)),
      byte_tokens_(ByteTokens(vocabulary, options.alphabet)),
      reached_(std::make_unique<std::atomic<Reached>[]>(vocabulary.num_ids())) {}

Status BpeModel::Encode(std::string_view piece, Scratch& scratch, std::vector<TokenId>& ids) const {
  if (options_.whole_pieces == BpeOptions::WholePieces::kLookUp) {
    if (const auto whole = pieces_.Find(piece)) {
      ids.push_back(*whole);
    } else {
      cuts_.ForEach(piece, [&](std::string_view word) { AppendMerged(word, scratch, ids); });
    }
    return Ok();
  }
  cuts_.ForEach(piece, [&](std::string_view word) { EncodeWord(word, scratch, ids); });
  return Ok();
}

void BpeModel::EncodeWord(std::string_view word, Scratch& scratch,
                          std::vector<TokenId>& ids) const {
  const std::optional<TokenId> whole = pieces_.Find(word);
  if (!whole) return AppendMerged(word, scratch, ids);
  // Threads that ask at once all find the same answer.
  std::atomic<Reached>& reached = reached_[static_cast<size_t>(*whole)];
  if (reached.load(std::memory_order_relaxed) == Reached::kYes) {
    ids.push_back(*whole);
    return;
  }
  MergePiece(word, scratch);
  const bool is_whole = scratch.ids.size() == 1 && scratch.ids[0] == *whole;
  reached.store(is_whole ? Reached::kYes : Reached::kNo, std::memory_order_relaxed);
  ids.insert(ids.end(), scratch.ids.begin(), scratch.ids.end());
}

void BpeModel::AppendMerged(std::string_view word, Scratch& scratch,
                            std::vector<TokenId>& ids) const {
  if (scratch.cache.Find(word, ids)) return;
  MergePiece(word, scratch);
  scratch.cache.Insert(word, scratch.ids);
  ids.insert(ids.end(), scratch.ids.begin(), scratch.ids.end());
}

void BpeModel::MergePiece(std::string_view piece, Scratch& scratch) const {
  scratch.ids.clear();
  if (options_.alphabet == BpeAlphabet::kBytes) {
    StartFromBytes(piece, scratch.ids);
  } else {
    StartFromCharacters(piece, scratch.ids);
  }
  if (scratch.ids.size() <= kShortPiece) {
    MergeShort(scratch);
  } else {
    MergeLong(scratch);
  }
}

void BpeModel::StartFromBytes(std::string_view piece, std::vector<TokenId>& ids) const {
  bool after_unknown = false;
  for (const char byte : piece) {
    const TokenId id = byte_tokens_[static_cast<uint8_t>(byte)];
    if (id >= 0) {
      ids.push_back(id);
    } else if (options_.unknown &&
               !(after_unknown && options_.unknowns == BpeOptions::Unknowns::kFused)) {
      ids.push_back(*options_.unknown);
    }
    after_unknown = id < 0;
  }
}

// As `tokenizers` does it, in its order: an unknown symbol is held back until a symbol with a token
// follows, so bytes of a later character can come out before it.
void BpeModel::StartFromCharacters(std::string_view piece, std::vector<TokenId>& ids) const {
  bool pending_unknown = false;
  const auto release = [&] {
    if (pending_unknown) ids.push_back(*options_.unknown);
    pending_unknown = false;
  };
  for (size_t at = 0; at < piece.size(); at += Utf8Length(piece[at])) {
    const std::string_view character = piece.substr(at, Utf8Length(piece[at]));
    if (const auto id = pieces_.Find(character)) {
      release();
      ids.push_back(*id);
      continue;
    }
    if (options_.byte_fallback == BpeOptions::ByteFallback::kOn) {
      const size_t before = ids.size();
      for (const char byte : character) ids.push_back(byte_tokens_[static_cast<uint8_t>(byte)]);
      if (std::find(ids.begin() + static_cast<ptrdiff_t>(before), ids.end(), -1) == ids.end())
        continue;
      ids.resize(before);
    }
    if (!options_.unknown) continue;
    if (options_.unknowns == BpeOptions::Unknowns::kEach) release();
    pending_unknown = true;
  }
  release();
}

void BpeModel::MergeShort(Scratch& scratch) const {
  std::vector<TokenId>& ids = scratch.ids;
  std::vector<Merge>& merges = scratch.merges;  // merges[i] is of ids[i] and ids[i + 1]
  const auto merge_at = [&](size_t i) {
    const Merge* merge = merges_.Find(ids[i], ids[i + 1]);
    return merge == nullptr ? Merge{kNoRank, -1} : *merge;
  };
  if (ids.size() < 2) return;
  merges.resize(ids.size() - 1);
  for (size_t i = 0; i < merges.size(); ++i) merges[i] = merge_at(i);
  while (!merges.empty()) {
    size_t best = 0;
    for (size_t i = 1; i < merges.size(); ++i) {
      if (merges[i].rank < merges[best].rank) best = i;
    }
    if (merges[best].rank == kNoRank) return;
    ids[best] = merges[best].result;
    ids.erase(ids.begin() + static_cast<ptrdiff_t>(best) + 1);
    merges.erase(merges.begin() + static_cast<ptrdiff_t>(best));
    if (best < merges.size()) merges[best] = merge_at(best);
    if (best > 0) merges[best - 1] = merge_at(best - 1);
  }
}

// The same with a queue of pairs and a linked list of symbols: n log n.
void BpeModel::MergeLong(Scratch& scratch) const {
  struct Candidate {
    uint32_t rank;
    size_t left;
    TokenId result;
    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  std::vector<Symbol>& symbols = scratch.symbols;
  const size_t count = scratch.ids.size();
  symbols.resize(count);
  const auto offer = [&](size_t left) {
    if (left == kNoNeighbour || symbols[left].next == kNoNeighbour) return;
    const Merge* merge = merges_.Find(symbols[left].id, symbols[symbols[left].next].id);
    if (merge != nullptr) queue.push({merge->rank, left, merge->result});
  };
  for (size_t i = 0; i < count; ++i) {
    symbols[i] = {scratch.ids[i], i == 0 ? kNoNeighbour : i - 1,
                  i + 1 < count ? i + 1 : kNoNeighbour};
  }
  for (size_t i = 0; i < count; ++i) offer(i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbols[best.left];
    if (left.id < 0 || left.next == kNoNeighbour) continue;
    Symbol& right = symbols[left.next];
    const Merge* merge = merges_.Find(left.id, right.id);
    if (merge == nullptr || merge->result != best.result) continue;  // no longer that pair
    left.id = best.result;
    right.id = -1;
    left.next = right.next;
    if (left.next != kNoNeighbour) symbols[left.next].previous = best.left;
    offer(left.previous);
    offer(best.left);
  }
  scratch.ids.clear();
  for (size_t i = 0; i != kNoNeighbour; i = symbols[i].next) scratch.ids.push_back(symbols[i].id);
}

}  // namespace bitloss

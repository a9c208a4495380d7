// Byte-pair encoding of one piece: start from single bytes (or characters), join the neighbouring
// pair of lowest rank, the leftmost if there are several, until no pair has a rank.
#ifndef BITLOSS_TOKENIZER_BPE_H_
#define BITLOSS_TOKENIZER_BPE_H_

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/tokenizer/merge_table.h"
#include "bitloss/tokenizer/piece_cache.h"
#include "bitloss/tokenizer/token_id.h"
#include "bitloss/tokenizer/vocabulary.h"
#include "bitloss/tokenizer/word_cuts.h"

namespace bitloss {

// What a symbol is at the start.
enum class BpeAlphabet {
  kBytes,       // the vocabulary writes bytes in letters (byte_alphabet.h)
  kCharacters,  // the vocabulary writes characters as they are, bytes as "<0x0A>"
};

struct BpeOptions {
  BpeAlphabet alphabet = BpeAlphabet::kBytes;

  // A piece that is a token is that token, whether merges lead there or not (Llama-3).
  enum class WholePieces { kMerge, kLookUp } whole_pieces = WholePieces::kMerge;

  // A character without a token becomes its UTF-8 bytes' tokens, if all of them exist.
  enum class ByteFallback { kOff, kOn } byte_fallback = ByteFallback::kOff;

  // A symbol that still has no token: this one; with none, the symbol is dropped. Both as in
  // `tokenizers`.
  std::optional<TokenId> unknown = {};
  // Neighbouring unknown symbols are one.
  enum class Unknowns { kEach, kFused } unknowns = Unknowns::kEach;
};

// Equal exactly for equal options; for identities.
std::string DescribeBpe(const BpeOptions& options);

// Immutable but for a cache of one byte per token; thread-safe.
class BpeModel {
 public:
  // `vocabulary` is that of the file, without added tokens; what is needed of it is copied.
  BpeModel(const Vocabulary& vocabulary, MergeTable merges, const BpeOptions& options);

  struct Symbol {
    TokenId id;  // -1: joined to the one before
    size_t previous;
    size_t next;
  };
  // Buffers for a thread to keep between pieces.
  struct Scratch {
    std::vector<TokenId> ids;
    std::vector<Merge> merges;
    std::vector<Symbol> symbols;
    PieceCache cache;
  };

  // Appends the ids of `piece`; never fails. Requires: not empty, valid UTF-8 if the alphabet is
  // characters.
  Status Encode(std::string_view piece, Scratch& scratch, std::vector<TokenId>& ids) const;

 private:
  void StartFromBytes(std::string_view piece, std::vector<TokenId>& ids) const;
  void StartFromCharacters(std::string_view piece, std::vector<TokenId>& ids) const;
  void MergeShort(Scratch& scratch) const;
  void MergeLong(Scratch& scratch) const;
  void EncodeWord(std::string_view word, Scratch& scratch, std::vector<TokenId>& ids) const;
  void AppendMerged(std::string_view word, Scratch& scratch, std::vector<TokenId>& ids) const;
  void MergePiece(std::string_view piece, Scratch& scratch) const;

  BpeOptions options_;
  Vocabulary pieces_;  // spelled in bytes or characters, as text is
  WordCuts cuts_;
  MergeTable merges_;
  std::array<TokenId, 256> byte_tokens_;  // -1: the byte has none

  // For each token: do merges lead from its text to it and nothing else? Worked out when first
  // asked; most pieces of a text are such a token, and then cost one look-up.
  enum class Reached : uint8_t { kNotAsked = 0, kYes, kNo };
  std::unique_ptr<std::atomic<Reached>[]> reached_;
};

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_BPE_H_

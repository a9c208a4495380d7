// SentencePiece's unigram model: of all ways to write a piece in tokens the one whose scores (log
// probabilities) have the largest sum, the earlier found if there are several. A character that no
// token begins and ends at once is unknown, ten less probable than the least probable token;
// neighbouring unknown characters are one token. As Hugging Face's `tokenizers` does it.
#ifndef BITLOSS_TOKENIZER_UNIGRAM_H_
#define BITLOSS_TOKENIZER_UNIGRAM_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/tokenizer/byte_trie.h"
#include "bitloss/tokenizer/piece_cache.h"
#include "bitloss/tokenizer/token_id.h"
#include "bitloss/tokenizer/vocabulary.h"

namespace bitloss {

// Immutable and thread-safe.
class UnigramModel {
 public:
  // What unknown characters become: their bytes' tokens ("<0x0A>") if all of them exist, or at once
  // `unknown`.
  enum class ByteFallback { kOff, kOn };

  // `scores` is by id. Requires: `unknown`, if there is one, is in the vocabulary; ids without
  // holes.
  UnigramModel(const Vocabulary& vocabulary, std::vector<double> scores,
               std::optional<TokenId> unknown, ByteFallback byte_fallback);

  struct Node {
    double score = 0.0;       // of the best way to here
    size_t begin = SIZE_MAX;  // of its last token; SIZE_MAX: there is no way yet
    TokenId token = -1;
  };
  // For a thread to keep between pieces.
  struct Scratch {
    std::vector<Node> nodes;  // by end
    std::vector<std::string_view> tokens;
    PieceCache cache;
  };

  // Appends the ids of `piece`. Fails if a character is unknown and there is no token for that.
  // Requires: not empty, valid UTF-8.
  Status Encode(std::string_view piece, Scratch& scratch, std::vector<TokenId>& ids) const;

 private:
  Status FindBest(std::string_view piece, std::vector<Node>& nodes) const;
  void Append(std::string_view token, std::vector<TokenId>& ids) const;

  Vocabulary vocabulary_;
  ByteTrie trie_;
  std::vector<double> scores_;
  std::optional<TokenId> unknown_;
  double unknown_score_ = 0.0;
  ByteFallback byte_fallback_;
  std::array<TokenId, 256> byte_tokens_;
};

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_UNIGRAM_H_

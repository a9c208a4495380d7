// SentencePiece's BPE for a vocabulary with scores: start from characters, join the neighbouring
// two whose text is the token of highest score, the leftmost if there are several, until no two are
// a token. What is then no token becomes its bytes' tokens ("<0x0A>").
#ifndef BITLOSS_TOKENIZER_SPM_H_
#define BITLOSS_TOKENIZER_SPM_H_

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/tokenizer/piece_cache.h"
#include "bitloss/tokenizer/token_id.h"
#include "bitloss/tokenizer/vocabulary.h"
#include "bitloss/tokenizer/word_cuts.h"

namespace bitloss {

// Immutable and thread-safe.
class SpmModel {
 public:
  // `pieces` holds the tokens that text can become (no control tokens, no bytes); `scores` is by
  // id; `byte_tokens` has -1 where a byte has no token, which `unknown` then stands for, if there
  // is one.
  SpmModel(Vocabulary pieces, std::vector<float> scores, std::array<TokenId, 256> byte_tokens,
           std::optional<TokenId> unknown);

  // For a thread to keep between pieces.
  struct Scratch {
    PieceCache cache;
  };

  // Appends the ids of `piece`; never fails. Requires: valid UTF-8.
  Status Encode(std::string_view piece, Scratch& scratch, std::vector<TokenId>& ids) const;

 private:
  struct Symbol;
  struct Candidate;
  void MergeWord(std::string_view word, std::vector<TokenId>& ids) const;
  void Append(std::string_view symbol, std::vector<TokenId>& ids) const;

  Vocabulary pieces_;
  WordCuts cuts_;
  std::vector<float> scores_;
  std::array<TokenId, 256> byte_tokens_;
  std::optional<TokenId> unknown_;
};

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_SPM_H_

// Tokens that are recognised in text before anything else is done to it: control tokens such as
// "<|im_end|>", and whatever else was added to a vocabulary.
#ifndef BITLOSS_TOKENIZER_ADDED_TOKENS_H_
#define BITLOSS_TOKENIZER_ADDED_TOKENS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bitloss/tokenizer/normalizer.h"
#include "bitloss/tokenizer/token_id.h"

namespace bitloss {

// One entry of `added_tokens`, as `tokenizers` has it.
struct AddedToken {
  std::string content;
  TokenId id = 0;
  bool special = false;      // a control token: dropped from decoded text if so asked
  bool single_word = false;  // not recognised inside a word
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // takes the white space after it along
  bool normalized = false;   // looked for in normalized text, itself normalized
};

// Immutable and thread-safe.
class AddedTokens {
 public:
  enum class Phase { kRaw, kNormalized };
  enum class Control { kRecognize, kIgnore };
  // A stretch of text, or a token in place of one.
  struct Segment {
    std::string_view text;
    std::optional<TokenId> token;
  };

  AddedTokens() = default;
  // Fails if nothing is left of a content that is normalized. Requires: contents not empty.
  static Result<AddedTokens> Of(std::vector<AddedToken> tokens, const Normalizer& normalizer);

  // Cuts `text` at the tokens of a phase: the leftmost first, the longest of those that begin
  // there. No segment of text is empty.
  std::vector<Segment> Cut(std::string_view text, Phase phase, Control control) const;

  bool IsSpecial(TokenId id) const;
  const std::vector<AddedToken>& tokens() const { return tokens_; }

 private:
  // A tree of bytes; the longest content that begins at a place is found in one descent.
  class Trie {
   public:
    void Insert(std::string_view content, size_t token);
    struct Match {
      size_t length;
      size_t token;  // index into tokens_
    };
    std::optional<Match> Longest(std::string_view text) const;
    bool empty() const { return nodes_.size() == 1; }

   private:
    struct Node {
      std::vector<std::pair<char, uint32_t>> children;
      std::optional<size_t> token;
    };
    std::vector<Node> nodes_ = {Node{}};
  };

  std::vector<AddedToken> tokens_;
  std::unordered_map<TokenId, size_t> by_id_;
  Trie raw_;
  Trie normalized_;
};

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_ADDED_TOKENS_H_

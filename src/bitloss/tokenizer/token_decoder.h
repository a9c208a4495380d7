// Tokens back to text: the `decoder` of tokenizer.json.
#ifndef BITLOSS_TOKENIZER_TOKEN_DECODER_H_
#define BITLOSS_TOKENIZER_TOKEN_DECODER_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bitloss {

class TokenDecoder {
 public:
  // Letters of the byte alphabet become bytes; a token with another character in it is itself. All
  // tokens become one text, U+FFFD where their bytes are not valid UTF-8.
  struct ByteLevel {};
  // Every `from` in a token becomes `to`. `from` is not empty.
  struct Replace {
    std::string from;
    std::string to;
  };
  // Neighbouring tokens "<0x0A>" become the text that their bytes write, or one U+FFFD each.
  struct ByteFallback {};
  // All tokens become one.
  struct Fuse {};
  // Up to `start` times `content`, one byte or character, goes from the front of each token, up to
  // `stop` times from its end.
  struct Strip {
    std::string content;
    size_t start = 0;
    size_t stop = 0;
  };
  // `replacement` becomes a space; in the first token, if `drop_first`, it goes.
  struct Metaspace {
    std::string replacement;
    enum class First { kKeep, kDrop } first = First::kDrop;
  };
  using Step = std::variant<ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace>;

  // What goes between tokens at last: a space if the file has no decoder, as `tokenizers` does it.
  enum class Between { kNothing, kSpace };

  TokenDecoder() = default;
  TokenDecoder(std::vector<Step> steps, Between between)
      : steps_(std::move(steps)), between_(between) {}

  // SentencePiece's: spaces from U+2581, bytes, and the space that was put in front goes.
  enum class LeadingSpace { kKeep, kDrop };
  static TokenDecoder SentencePiece(LeadingSpace leading_space);

  // Valid UTF-8 whatever the tokens. Requires: tokens are valid UTF-8.
  std::string Decode(std::vector<std::string> tokens) const;

 private:
  std::vector<Step> steps_;
  Between between_ = Between::kNothing;
};

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_TOKEN_DECODER_H_

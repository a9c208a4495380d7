// What the names in tokenizer.ggml.pre stand for.
#ifndef BITLOSS_TOKENIZER_GGUF_PRE_TOKENIZERS_H_
#define BITLOSS_TOKENIZER_GGUF_PRE_TOKENIZERS_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "bitloss/tokenizer/bpe.h"

namespace bitloss {

// What a value of tokenizer.ggml.pre stands for: the tokenizer.json that the file was made from.
// The file itself does not say how text is normalized; where that is known of a family it is done,
// which llama.cpp leaves out.
struct NamedPreTokenizer {
  std::string_view name;
  // As tokenizer.json writes them. Each cuts the pieces of the one before at its matches, and keeps
  // what lies between.
  std::span<const std::string_view> patterns;
  enum class Normalize { kNothing, kNfc } normalize = Normalize::kNothing;
  BpeOptions::WholePieces whole_pieces = BpeOptions::WholePieces::kMerge;
  bool adds_bos = false;  // unless tokenizer.ggml.add_bos_token says otherwise
};

// None if `name` is not implemented.
std::optional<NamedPreTokenizer> FindGgufPreTokenizer(std::string_view name);

// Every name that is implemented, in one line.
std::string GgufPreTokenizerNames();

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_GGUF_PRE_TOKENIZERS_H_

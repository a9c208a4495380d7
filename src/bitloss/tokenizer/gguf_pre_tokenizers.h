// What the names in tokenizer.ggml.pre stand for.
#ifndef BITLOSS_TOKENIZER_GGUF_PRE_TOKENIZERS_H_
#define BITLOSS_TOKENIZER_GGUF_PRE_TOKENIZERS_H_

#include <span>
#include <string_view>

#include "bitloss/tokenizer/bpe.h"

namespace bitloss {

// What a value of tokenizer.ggml.pre stands for: the tokenizer.json that the file was made from.
struct NamedPreTokenizer {
  std::string_view name;
  enum class Normalize { kNothing, kNfc } normalize;
  enum class Digits { kWithTheRest, kEachFirst } digits;
  std::string_view pattern;
  BpeOptions::WholePieces whole_pieces;
  bool adds_bos;  // unless tokenizer.ggml.add_bos_token says otherwise
};

// Every name that is implemented.
std::span<const NamedPreTokenizer> GgufPreTokenizers();

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_GGUF_PRE_TOKENIZERS_H_

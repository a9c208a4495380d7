#include "bitloss/data/text_encoder.h"

#include <algorithm>

namespace bitloss {
namespace {

size_t CountCharacters(std::string_view utf8) {
  size_t count = 0;
  for (const char c : utf8) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

// Of a SentencePiece spelling: "<0x0A>" is one byte, U+2581 stands for a space.
size_t SentencePieceBytes(std::string_view spelling) {
  constexpr std::string_view kSpace = "\u2581";
  if (spelling.size() == 6 && spelling.starts_with("<0x") && spelling.ends_with('>')) return 1;
  size_t bytes = spelling.size();
  for (size_t at = spelling.find(kSpace); at != std::string_view::npos;
       at = spelling.find(kSpace, at + kSpace.size())) {
    bytes -= kSpace.size() - 1;
  }
  return bytes;
}

// Of a byte-level spelling, where a character is a byte, unless the token was added as it reads.
size_t ByteLevelBytes(const Tokenizer& tokenizer, TokenId id) {
  const std::string_view spelling = tokenizer.Spelling(id);
  const bool added = tokenizer.Decode({&id, 1}, Tokenizer::SpecialOut::kKeep) == spelling;
  return added ? spelling.size() : CountCharacters(spelling);
}

// What the tokens of a text spell beyond it, by an example.
size_t PrefixBytes(const TextEncoder& encoder) {
  constexpr std::string_view kExample = "a";
  const Result<std::vector<TokenId>> ids = encoder.encode(kExample);
  size_t bytes = 0;
  for (const TokenId id : ids.ok() ? ids.value() : std::vector<TokenId>()) {
    bytes += encoder.num_bytes(id);
  }
  return bytes - std::min(bytes, kExample.size());
}

}  // namespace

TextEncoder MakeTextEncoder(const Tokenizer& tokenizer, size_t max_positions) {
  const bool sentence_piece = tokenizer.Find("<0x0A>").has_value();
  TextEncoder encoder;
  encoder.encode = [tokenizer](std::string_view text) {
    return tokenizer.Encode(text, Tokenizer::Special::kParse, Tokenizer::AddTokens::kNone);
  };
  encoder.num_bytes = [tokenizer, sentence_piece](TokenId id) {
    return sentence_piece ? SentencePieceBytes(tokenizer.Spelling(id))
                          : ByteLevelBytes(tokenizer, id);
  };
  encoder.prefix_bytes = PrefixBytes(encoder);
  encoder.bos = tokenizer.bos();
  encoder.eos = tokenizer.eos();
  encoder.adds_bos = tokenizer.adds_bos();
  encoder.max_positions = max_positions;
  return encoder;
}

}  // namespace bitloss

#include "bitloss/data/text_encoder.h"

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

}  // namespace

TextEncoder MakeTextEncoder(const Tokenizer& tokenizer, size_t max_positions) {
  const bool sentence_piece = tokenizer.Find("<0x0A>").has_value();
  TextEncoder encoder;
  encoder.encode = [tokenizer](std::string_view text) {
    return tokenizer.Encode(text, Tokenizer::Special::kParse, Tokenizer::AddTokens::kNone);
  };
  encoder.num_bytes = [tokenizer, sentence_piece](TokenId id) {
    const std::string_view spelling = tokenizer.Spelling(id);
    return sentence_piece ? SentencePieceBytes(spelling) : CountCharacters(spelling);
  };
  encoder.bos = tokenizer.bos();
  encoder.eos = tokenizer.eos();
  encoder.adds_bos = tokenizer.adds_bos();
  encoder.max_positions = max_positions;
  return encoder;
}

}  // namespace bitloss

// Characters of valid UTF-8 text.
#ifndef BITLOSS_TOKENIZER_CHARACTERS_H_
#define BITLOSS_TOKENIZER_CHARACTERS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bitloss {

// Bytes of the character that starts with `lead`.
constexpr size_t Utf8Length(char lead) {
  const auto byte = static_cast<uint8_t>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

// Requires: `text` is valid UTF-8 and not empty; the first character of it.
constexpr char32_t FirstCharacter(std::string_view text) {
  const auto byte = [&](size_t i) { return char32_t{static_cast<uint8_t>(text[i])}; };
  switch (Utf8Length(text[0])) {
    case 1:
      return byte(0);
    case 2:
      return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
    case 3:
      return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    default:
      return (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 |
             (byte(3) & 0x3F);
  }
}

// Where the last character of text[0, end) begins. Requires: end > 0, valid UTF-8.
constexpr size_t LastCharacterStart(std::string_view text, size_t end) {
  do {
    --end;
  } while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80);
  return end;
}

// Unicode's White_Space, unchanged since Unicode 6.3.
constexpr bool IsWhiteSpace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

// Where the white space that ends at `end` begins; where that at `begin` ends.
size_t WhiteSpaceStart(std::string_view text, size_t end);
size_t WhiteSpaceEnd(std::string_view text, size_t begin);

// Alphabetic, Mark, Decimal_Number, Connector_Punctuation or Join_Control: UTS 18's word character.
bool IsWordCharacter(char32_t c);

// Appends `c`, a Unicode scalar value, as UTF-8.
void AppendUtf8(char32_t c, std::string& text);

// `bytes` as UTF-8 text: every maximal part of a sequence that does not go on as it should becomes
// one U+FFFD (Unicode's recommended practice, as Rust's from_utf8_lossy and Python's "replace").
std::string ReplaceInvalidUtf8(std::string_view bytes);

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_CHARACTERS_H_

// The 256 letters in which byte-level BPE writes bytes (GPT-2): bytes 33-126, 161-172 and 174-255
// are the character of the same number; the other 68, ascending, are U+0100, U+0101, ... So a space
// is written U+0120 and a newline U+010A.
#ifndef BITLOSS_TOKENIZER_BYTE_ALPHABET_H_
#define BITLOSS_TOKENIZER_BYTE_ALPHABET_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bitloss {

// The letter of a byte.
char32_t LetterOfByte(uint8_t byte);

// The bytes that `letters` writes; none if a character of it is no letter.
// Requires: valid UTF-8.
std::optional<std::string> BytesOfLetters(std::string_view letters);

// The same bytes in letters.
std::string LettersOfBytes(std::string_view bytes);

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_BYTE_ALPHABET_H_

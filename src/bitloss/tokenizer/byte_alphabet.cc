#include "bitloss/tokenizer/byte_alphabet.h"

#include <array>

#include "bitloss/tokenizer/characters.h"

namespace bitloss {
namespace {

constexpr bool IsItsOwnLetter(int byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

constexpr std::array<char32_t, 256> MakeLetters() {
  std::array<char32_t, 256> letters = {};
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    letters[byte] = IsItsOwnLetter(byte) ? static_cast<char32_t>(byte) : next++;
  }
  return letters;
}

constexpr std::array<char32_t, 256> kLetters = MakeLetters();
constexpr size_t kNumCodes = 0x100 + 68;

// -1 for a code point that is no letter.
constexpr std::array<int16_t, kNumCodes> MakeBytes() {
  std::array<int16_t, kNumCodes> bytes = {};
  bytes.fill(-1);
  for (int byte = 0; byte < 256; ++byte) bytes[kLetters[byte]] = static_cast<int16_t>(byte);
  return bytes;
}

constexpr std::array<int16_t, kNumCodes> kBytes = MakeBytes();

}  // namespace

char32_t LetterOfByte(uint8_t byte) { return kLetters[byte]; }

std::optional<std::string> BytesOfLetters(std::string_view letters) {
  std::string bytes;
  bytes.reserve(letters.size());
  for (size_t i = 0; i < letters.size(); i += Utf8Length(letters[i])) {
    const char32_t c = FirstCharacter(letters.substr(i));
    if (c >= kNumCodes || kBytes[c] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kBytes[c]));
  }
  return bytes;
}

std::string LettersOfBytes(std::string_view bytes) {
  std::string letters;
  letters.reserve(bytes.size() * 2);
  for (const char byte : bytes) AppendUtf8(LetterOfByte(static_cast<uint8_t>(byte)), letters);
  return letters;
}

}  // namespace bitloss

#include "bitloss/templates/string_literal.h"

#include <cstdint>

#include "bitloss/templates/text.h"

namespace bitloss::templates {
namespace {

int DigitOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

// The number of up to `most` digits from `at` on, which is moved behind them.
uint32_t Digits(std::string_view text, size_t& at, size_t most, int base) {
  uint32_t number = 0;
  for (size_t i = 0; i < most && at < text.size() && DigitOf(text[at]) < base; ++i, ++at) {
    number = number * static_cast<uint32_t>(base) + static_cast<uint32_t>(DigitOf(text[at]));
  }
  return number;
}

void AppendHex(std::string_view inside, size_t& i, Position at, std::string& text) {
  const char letter = inside[i++];
  const size_t digits = letter == 'x' ? 2 : letter == 'u' ? 4 : 8;
  const size_t begin = i;
  const uint32_t c = Digits(inside, i, digits, 16);
  if (i - begin != digits) RefuseAt(at, "a truncated \\{} escape in a string", letter);
  if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) {
    RefuseAt(at, "\\{}{:04x} in a string is no character", letter, c);
  }
  AppendUtf8(c, text);
}

}  // namespace

std::string MeaningOf(std::string_view inside, Position at) {
  constexpr std::string_view kEscapes = "nrt\\'\"abfv";
  constexpr std::string_view kMeanings = "\n\r\t\\'\"\a\b\f\v";
  std::string text;
  for (size_t i = 0; i < inside.size();) {
    if (inside[i] != '\\') {
      text += inside[i++];
      continue;
    }
    ++i;
    const char c = inside[i];
    if (const size_t escape = kEscapes.find(c); escape != std::string_view::npos) {
      text += kMeanings[escape];
      ++i;
    } else if (c == '\n') {
      ++i;
    } else if (c >= '0' && c <= '7') {
      AppendUtf8(Digits(inside, i, 3, 8), text);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      AppendHex(inside, i, at, text);
    } else if (c == 'N') {
      RefuseAt(at, "\\N escapes in strings are not implemented");
    } else {
      text += '\\';
      text += c;
      ++i;
    }
  }
  return text;
}

}  // namespace bitloss::templates

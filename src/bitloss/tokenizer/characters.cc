#include "bitloss/tokenizer/characters.h"

#include "bitloss/base/check.h"
#include "bitloss/base/text.h"
#include "bitloss/tokenizer/pattern.h"

namespace bitloss {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// How many bytes at the start of `bytes`, which begin no valid sequence, are the beginning of one
// (at least 1).
size_t MaximalSubpart(std::string_view bytes) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const auto in = [&](size_t i, uint8_t low, uint8_t high) {
    return i < bytes.size() && byte(i) >= low && byte(i) <= high;
  };
  const uint8_t lead = byte(0);
  if (lead >= 0xE0 && lead <= 0xEF) {
    const uint8_t low = lead == 0xE0 ? 0xA0 : 0x80;
    const uint8_t high = lead == 0xED ? 0x9F : 0xBF;
    return in(1, low, high) ? 2 : 1;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const uint8_t low = lead == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = lead == 0xF4 ? 0x8F : 0xBF;
    if (!in(1, low, high)) return 1;
    return in(2, 0x80, 0xBF) ? 3 : 2;
  }
  return 1;
}

Pattern CompileWordPattern() {
  auto pattern = Pattern::CompilePcre2(R"(\A[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}])");
  BITLOSS_CHECK(pattern.ok());
  return std::move(pattern).value();
}

}  // namespace

bool IsWordCharacter(char32_t c) {
  static const Pattern pattern = CompileWordPattern();
  std::string text;
  AppendUtf8(c, text);
  Pattern::Scratch scratch;
  const auto found = pattern.Find(text, 0, scratch);
  return found.ok() && found.value().has_value();
}

size_t WhiteSpaceStart(std::string_view text, size_t end) {
  while (end > 0) {
    const size_t start = LastCharacterStart(text, end);
    if (!IsWhiteSpace(FirstCharacter(text.substr(start)))) break;
    end = start;
  }
  return end;
}

size_t WhiteSpaceEnd(std::string_view text, size_t begin) {
  while (begin < text.size() && IsWhiteSpace(FirstCharacter(text.substr(begin)))) {
    begin += Utf8Length(text[begin]);
  }
  return begin;
}

void AppendUtf8(char32_t c, std::string& text) {
  const auto push = [&](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    push(c);
  } else if (c < 0x800) {
    push(0xC0 | c >> 6);
    push(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    push(0xE0 | c >> 12);
    push(0x80 | (c >> 6 & 0x3F));
    push(0x80 | (c & 0x3F));
  } else {
    push(0xF0 | c >> 18);
    push(0x80 | (c >> 12 & 0x3F));
    push(0x80 | (c >> 6 & 0x3F));
    push(0x80 | (c & 0x3F));
  }
}

std::string ReplaceInvalidUtf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (const auto bad = FindInvalidUtf8(bytes)) {
    text += bytes.substr(0, *bad);
    text += kReplacement;
    bytes.remove_prefix(*bad);
    bytes.remove_prefix(MaximalSubpart(bytes));
  }
  text += bytes;
  return text;
}

}  // namespace bitloss

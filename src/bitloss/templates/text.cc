#include "bitloss/templates/text.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>

#include "bitloss/base/check.h"

namespace bitloss::templates {
namespace {

size_t SizeAt(std::string_view text, size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  const size_t size = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
  return std::min(size, text.size() - at);
}

bool Continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

icu::UnicodeString ToIcu(std::string_view text) {
  return icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
}

std::string FromIcu(const icu::UnicodeString& text) {
  std::string utf8;
  text.toUTF8String(utf8);
  return utf8;
}

// Of one character: its title case ("ǆ" to "ǅ", "ß" to "Ss").
std::string TitleCase(std::string_view character) {
  const char32_t c = CodePoint(character);
  const auto title = static_cast<char32_t>(u_totitle(static_cast<UChar32>(c)));
  std::string upper = Upper(character);
  if (NumCodePoints(upper) > 1) {  // the first of them stays, the rest is lower
    const size_t first = SizeAt(upper, 0);
    return upper.substr(0, first) + Lower(std::string_view(upper).substr(first));
  }
  std::string text;
  AppendUtf8(title, text);
  return text;
}

bool IsCased(char32_t c) { return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_CASED); }

template <class Predicate>
bool All(std::string_view text, Predicate predicate) {
  if (text.empty()) return false;
  for (const std::string_view character : Characters(text)) {
    if (!predicate(CodePoint(character))) return false;
  }
  return true;
}

template <class Strips>
std::string_view StripIf(std::string_view text, Side side, Strips strips) {
  while (side != Side::kRight && !text.empty()) {
    const size_t size = SizeAt(text, 0);
    if (!strips(text.substr(0, size))) break;
    text.remove_prefix(size);
  }
  while (side != Side::kLeft && !text.empty()) {
    size_t at = text.size() - 1;
    while (at > 0 && Continues(text[at])) --at;
    if (!strips(text.substr(at))) break;
    text.remove_suffix(text.size() - at);
  }
  return text;
}

bool Exhausted(int64_t max_splits, size_t done) {
  return max_splits >= 0 && done >= static_cast<size_t>(max_splits);
}

}  // namespace

size_t NumCodePoints(std::string_view text) {
  return text.size() - static_cast<size_t>(std::count_if(text.begin(), text.end(), Continues));
}

std::vector<std::string_view> Characters(std::string_view text) {
  std::vector<std::string_view> characters;
  characters.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t size = SizeAt(text, at);
    characters.push_back(text.substr(at, size));
    at += size;
  }
  return characters;
}

char32_t CodePoint(std::string_view text) {
  BITLOSS_CHECK(!text.empty());
  const size_t size = SizeAt(text, 0);
  const auto first = static_cast<unsigned char>(text[0]);
  char32_t c = size == 1 ? first : first & (0xFF >> (size + 1));
  for (size_t i = 1; i < size; ++i) c = (c << 6) | (static_cast<unsigned char>(text[i]) & 0x3F);
  return c;
}

void AppendUtf8(char32_t c, std::string& text) {
  if (c < 0x80) {
    text += static_cast<char>(c);
    return;
  }
  const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  constexpr unsigned kFirst[] = {0, 0xC0, 0xE0, 0xF0};
  text += static_cast<char>(kFirst[more] | (c >> (6 * more)));
  for (int i = more - 1; i >= 0; --i) text += static_cast<char>(0x80 | ((c >> (6 * i)) & 0x3F));
}

bool IsSpace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

bool IsPrintable(char32_t c) {
  if (c == ' ') return true;
  switch (u_charType(static_cast<UChar32>(c))) {
    case U_CONTROL_CHAR:
    case U_FORMAT_CHAR:
    case U_SURROGATE:
    case U_PRIVATE_USE_CHAR:
    case U_UNASSIGNED:
    case U_LINE_SEPARATOR:
    case U_PARAGRAPH_SEPARATOR:
    case U_SPACE_SEPARATOR:
      return false;
    default:
      return true;
  }
}

std::string_view Strip(std::string_view text, Side side) {
  return StripIf(text, side,
                 [](std::string_view character) { return IsSpace(CodePoint(character)); });
}

std::string_view Strip(std::string_view text, std::string_view characters, Side side) {
  const std::vector<std::string_view> set = Characters(characters);
  return StripIf(text, side, [&](std::string_view character) {
    return std::find(set.begin(), set.end(), character) != set.end();
  });
}

std::string Upper(std::string_view text) {
  return FromIcu(ToIcu(text).toUpper(icu::Locale::getRoot()));
}
std::string Lower(std::string_view text) {
  return FromIcu(ToIcu(text).toLower(icu::Locale::getRoot()));
}
std::string CaseFold(std::string_view text) { return FromIcu(ToIcu(text).foldCase()); }

std::string Capitalize(std::string_view text) {
  if (text.empty()) return {};
  const size_t first = SizeAt(text, 0);
  // Lower sees the whole text, because a final sigma depends on what stands before it.
  const std::string lower = Lower(text);
  const std::string lower_first = Lower(text.substr(0, first));
  return TitleCase(text.substr(0, first)) + lower.substr(lower_first.size());
}

std::string Title(std::string_view text) {
  std::string title;
  bool in_word = false;
  for (const std::string_view character : Characters(text)) {
    const bool cased = IsCased(CodePoint(character));
    title += in_word ? Lower(character) : TitleCase(character);
    in_word = cased;
  }
  return title;
}

std::string SwapCase(std::string_view text) {
  std::string swapped;
  for (const std::string_view character : Characters(text)) {
    swapped += IsUpper(character) ? Lower(character) : Upper(character);
  }
  return swapped;
}

bool IsLower(std::string_view text) {
  bool cased = false;
  for (const std::string_view character : Characters(text)) {
    const auto c = static_cast<UChar32>(CodePoint(character));
    if (u_hasBinaryProperty(c, UCHAR_UPPERCASE) || u_istitle(c)) return false;
    cased = cased || u_hasBinaryProperty(c, UCHAR_LOWERCASE);
  }
  return cased;
}

bool IsUpper(std::string_view text) {
  bool cased = false;
  for (const std::string_view character : Characters(text)) {
    const auto c = static_cast<UChar32>(CodePoint(character));
    if (u_hasBinaryProperty(c, UCHAR_LOWERCASE) || u_istitle(c)) return false;
    cased = cased || u_hasBinaryProperty(c, UCHAR_UPPERCASE);
  }
  return cased;
}

bool IsAlpha(std::string_view text) {
  return All(text, [](char32_t c) { return u_isalpha(static_cast<UChar32>(c)); });
}
bool IsDigit(std::string_view text) {
  return All(text, [](char32_t c) {
    const auto type = u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_NUMERIC_TYPE);
    return type == U_NT_DECIMAL || type == U_NT_DIGIT;
  });
}
bool IsAlnum(std::string_view text) {
  return All(text, [](char32_t c) {
    return u_isalpha(static_cast<UChar32>(c)) ||
           u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_NUMERIC_TYPE) != U_NT_NONE;
  });
}
bool IsSpaces(std::string_view text) { return All(text, IsSpace); }
bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::vector<std::string_view> SplitSpace(std::string_view text, int64_t max_splits, Side from) {
  std::vector<std::string_view> pieces;
  const bool left = from == Side::kLeft;
  for (text = Strip(text, from); !text.empty(); text = Strip(text, from)) {
    if (Exhausted(max_splits, pieces.size())) {
      pieces.push_back(Strip(text, left ? Side::kLeft : Side::kRight));
      break;
    }
    size_t size = 0;  // of the word at that end
    const std::vector<std::string_view> characters =
        left ? std::vector<std::string_view>() : Characters(text);
    if (left) {
      while (size < text.size() && !IsSpace(CodePoint(text.substr(size)))) {
        size += SizeAt(text, size);
      }
    } else {
      for (auto c = characters.rbegin(); c != characters.rend() && !IsSpace(CodePoint(*c)); ++c) {
        size += c->size();
      }
    }
    pieces.push_back(left ? text.substr(0, size) : text.substr(text.size() - size));
    left ? text.remove_prefix(size) : text.remove_suffix(size);
  }
  if (!left) std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

std::vector<std::string_view> SplitAt(std::string_view text, std::string_view separator,
                                      int64_t max_splits, Side from) {
  BITLOSS_CHECK(!separator.empty());
  std::vector<std::string_view> pieces;
  while (!Exhausted(max_splits, pieces.size())) {
    const size_t at = from == Side::kLeft ? text.find(separator) : text.rfind(separator);
    if (at == std::string_view::npos) break;
    const std::string_view before = text.substr(0, at);
    const std::string_view after = text.substr(at + separator.size());
    pieces.push_back(from == Side::kLeft ? before : after);
    text = from == Side::kLeft ? after : before;
  }
  pieces.push_back(text);
  if (from == Side::kRight) std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t size = SizeAt(text, at);
    const char32_t c = CodePoint(text.substr(at));
    const bool ends = (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 ||
                      c == 0x2028 || c == 0x2029;
    if (ends) {
      lines.push_back(text.substr(begin, at - begin));
      begin = at + size;
      if (text.substr(at).starts_with("\r\n")) ++begin;
      at = begin;
    } else {
      at += size;
    }
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

size_t Count(std::string_view text, std::string_view part) {
  if (part.empty()) return NumCodePoints(text) + 1;
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + part.size())) {
    ++count;
  }
  return count;
}

size_t ReplacedSize(std::string_view text, std::string_view old, std::string_view now,
                    int64_t count) {
  size_t found = Count(text, old);
  if (count >= 0) found = std::min(found, static_cast<size_t>(count));
  return text.size() - found * old.size() + found * now.size();
}

std::string Replace(std::string_view text, std::string_view old, std::string_view now,
                    int64_t count) {
  std::string replaced;
  size_t done = 0;
  if (old.empty()) {
    for (const std::string_view character : Characters(text)) {
      if (!Exhausted(count, done++)) replaced += now;
      replaced += character;
    }
    if (!Exhausted(count, done)) replaced += now;
    return replaced;
  }
  size_t at = 0;
  while (!Exhausted(count, done++)) {
    const size_t found = text.find(old, at);
    if (found == std::string_view::npos) break;
    replaced += text.substr(at, found - at);
    replaced += now;
    at = found + old.size();
  }
  replaced += text.substr(at);
  return replaced;
}

std::string EscapeMarkup(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&#34;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

}  // namespace bitloss::templates

#include "bitloss/data/checks/answer_text.h"

#include <utf8proc.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

namespace bitloss {
namespace {

constexpr size_t kMaxExcerptBytes = 80;

const utf8proc_uint8_t* Bytes(std::string_view text) {
  return reinterpret_cast<const utf8proc_uint8_t*>(text.data());
}

CodePoint Next(std::string_view text, size_t at) {
  utf8proc_int32_t value = 0;
  const utf8proc_ssize_t length =
      utf8proc_iterate(Bytes(text) + at, static_cast<utf8proc_ssize_t>(text.size() - at), &value);
  if (length <= 0) return {.value = 0xFFFD, .begin = at, .end = at + 1};
  return {.value = value, .begin = at, .end = at + static_cast<size_t>(length)};
}

CodePoint Previous(std::string_view text, size_t end) {
  size_t begin = end - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  return Next(text, begin);
}

bool IsSpace(int32_t c) {
  return c == ' ' || (c >= 9 && c <= 13) || utf8proc_category(c) == UTF8PROC_CATEGORY_ZS ||
         c == 0x2028 || c == 0x2029;
}

bool IsPunctuation(int32_t c) {
  const utf8proc_category_t category = utf8proc_category(c);
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

bool IsWrittenWithoutSpaces(int32_t c) {
  return (c >= 0x0E00 && c <= 0x0E7F) || (c >= 0x2E80 && c <= 0x9FFF) ||
         (c >= 0xAC00 && c <= 0xD7AF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x20000 && c <= 0x3FFFF);
}

// utf8proc's mapping, or the text itself if it cannot be mapped.
std::string Map(std::string_view text, int options) {
  utf8proc_uint8_t* mapped = nullptr;
  const utf8proc_ssize_t length =
      utf8proc_map(Bytes(text), static_cast<utf8proc_ssize_t>(text.size()), &mapped,
                   static_cast<utf8proc_option_t>(options));
  if (length < 0) return std::string(text);
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, &std::free);
  return std::string(reinterpret_cast<const char*>(mapped), static_cast<size_t>(length));
}

std::string WithoutPunctuation(std::string_view text) {
  std::string out;
  for (const CodePoint& c : CodePoints(text)) {
    if (!IsPunctuation(c.value)) out += text.substr(c.begin, c.end - c.begin);
  }
  return out;
}

std::string CollapseSpace(std::string_view text) {
  std::string out;
  bool pending = false;
  for (const CodePoint& c : CodePoints(text)) {
    if (IsSpace(c.value)) {
      pending = !out.empty();
      continue;
    }
    if (pending) out += ' ';
    pending = false;
    out += text.substr(c.begin, c.end - c.begin);
  }
  return out;
}

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t newline = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, newline - begin));
    begin = newline + 1;
  }
  return lines;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// "4" in "2.4" or in "4,000".
bool CutsANumber(std::string_view text, size_t begin, size_t end) {
  const auto is_point = [&](size_t at) { return text[at] == '.' || text[at] == ','; };
  if (begin > 1 && IsDigit(text[begin]) && is_point(begin - 1) && IsDigit(text[begin - 2])) {
    return true;
  }
  return end + 1 < text.size() && IsDigit(text[end - 1]) && is_point(end) && IsDigit(text[end + 1]);
}

// What stands between the fences of a block on one line, "```json {}```"; none if it is not one.
std::optional<std::string_view> OneLineBlock(std::string_view line) {
  constexpr std::array<std::string_view, 8> kLanguages = {"json",       "python", "py", "js",
                                                          "javascript", "cpp",    "c",  "text"};
  const size_t close = line.find(line.substr(0, 3), 3);
  if (close == std::string_view::npos || close == 3) return std::nullopt;
  std::string_view content = line.substr(3, close - 3);
  for (const std::string_view language : kLanguages) {
    if (content.starts_with(std::string(language) + " ")) content.remove_prefix(language.size());
  }
  return Trim(content);
}

bool TouchesAWord(std::string_view text, size_t begin, size_t end) {
  if (begin == end) return false;
  if (begin > 0 && IsWordPart(Next(text, begin).value) && IsWordPart(Previous(text, begin).value)) {
    return true;
  }
  if (end < text.size() && IsWordPart(Previous(text, end).value) &&
      IsWordPart(Next(text, end).value)) {
    return true;
  }
  return CutsANumber(text, begin, end);
}

}  // namespace

std::vector<CodePoint> CodePoints(std::string_view text) {
  std::vector<CodePoint> out;
  for (size_t at = 0; at < text.size(); at = out.back().end) out.push_back(Next(text, at));
  return out;
}

bool IsWordPart(int32_t codepoint) {
  const utf8proc_category_t category = utf8proc_category(codepoint);
  const bool is_word =
      codepoint == '_' || (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO);
  return is_word && !IsWrittenWithoutSpaces(codepoint);
}

std::string LowerAscii(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsSpace(Next(text, 0).value)) text.remove_prefix(Next(text, 0).end);
  while (!text.empty() && IsSpace(Previous(text, text.size()).value)) {
    text = text.substr(0, Previous(text, text.size()).begin);
  }
  return text;
}

std::vector<std::string_view> NonBlankLines(std::string_view text) {
  std::vector<std::string_view> lines = Lines(text);
  std::erase_if(lines, [](std::string_view line) { return Trim(line).empty(); });
  return lines;
}

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  size_t begin = 0;
  bool has_word = false;
  const auto finish = [&](size_t end) {
    if (has_word) words.push_back(text.substr(begin, end - begin));
    has_word = false;
  };
  for (const CodePoint& c : CodePoints(text)) {
    if (IsSpace(c.value)) {
      finish(c.begin);
      begin = c.end;
    } else if (IsWordPart(c.value) || IsWrittenWithoutSpaces(c.value)) {
      has_word = true;
    }
  }
  finish(text.size());
  return words;
}

std::optional<std::string_view> FirstFencedBlock(std::string_view text) {
  std::optional<size_t> begin;
  std::string_view fence;
  for (const std::string_view line : Lines(text)) {
    const std::string_view stripped = Trim(line);
    const auto at = static_cast<size_t>(line.data() - text.data());
    if (!begin && (stripped.starts_with("```") || stripped.starts_with("~~~"))) {
      if (const auto block = OneLineBlock(stripped)) return block;
      fence = stripped.substr(0, 3);
      begin = std::min(at + line.size() + 1, text.size());
    } else if (begin && stripped.starts_with(fence)) {
      return text.substr(*begin, at - *begin);
    }
  }
  if (!begin) return std::nullopt;
  return text.substr(*begin);
}

std::string Excerpt(std::string_view text) {
  std::string out;
  for (const CodePoint& c : CodePoints(text)) {
    if (c.end > kMaxExcerptBytes) return out + "...";
    const bool control = c.value < 0x20 || c.value == 0x7F;
    out += control ? std::string_view(" ") : text.substr(c.begin, c.end - c.begin);
  }
  return out;
}

Result<Normalization> ReadNormalization(Fields& fields, Normalization otherwise) {
  const OrderedJson* field = fields.Find("normalize");
  if (field == nullptr) return otherwise;
  if (!field->is_array()) return fields.Bad("normalize", "an array of names is expected");
  Normalization out = {
      .casefold = false, .collapse_ws = false, .strip_punct = false, .nfkc = false};
  for (const OrderedJson& name : *field) {
    if (name == "casefold") {
      out.casefold = true;
    } else if (name == "collapse_ws") {
      out.collapse_ws = true;
    } else if (name == "strip_punct") {
      out.strip_punct = true;
    } else if (name == "nfkc") {
      out.nfkc = true;
    } else {
      return fields.Bad("normalize", "names are casefold, collapse_ws, strip_punct, nfkc");
    }
  }
  return out;
}

std::string Normalize(std::string_view text, const Normalization& normalization) {
  std::string out(text);
  if (normalization.nfkc) {
    out = Map(out, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
  }
  if (normalization.casefold) {
    out = Map(out, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
  }
  if (normalization.strip_punct) out = WithoutPunctuation(out);
  if (normalization.collapse_ws) out = CollapseSpace(out);
  return out;
}

size_t FindText(std::string_view text, std::string_view needle, Match match, size_t from) {
  for (size_t at = text.find(needle, from); at != std::string_view::npos;
       at = text.find(needle, at + 1)) {
    if (match == Match::kAnywhere || !TouchesAWord(text, at, at + needle.size())) return at;
  }
  return std::string_view::npos;
}

}  // namespace bitloss

#include "bitloss/data/white_space.h"

#include <utf8proc.h>

#include <cstdint>

namespace bitloss {
namespace {

bool IsWhiteSpace(int32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

// Calls visit(whether it is white space, its bytes) for each character until that returns false.
template <class Visit>
void ForEachCharacter(std::string_view utf8, const Visit& visit) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(utf8.data());
  for (size_t i = 0; i < utf8.size();) {
    utf8proc_int32_t codepoint = 0;
    const utf8proc_ssize_t length =
        utf8proc_iterate(bytes + i, static_cast<utf8proc_ssize_t>(utf8.size() - i), &codepoint);
    const size_t num_bytes = length > 0 ? static_cast<size_t>(length) : 1;
    if (!visit(length > 0 && IsWhiteSpace(codepoint), num_bytes)) return;
    i += num_bytes;
  }
}

}  // namespace

bool IsBlank(std::string_view utf8) {
  bool blank = true;
  ForEachCharacter(utf8, [&](bool space, size_t) { return blank = space; });
  return blank;
}

size_t CountSpaceRuns(std::string_view utf8) {
  size_t runs = 0;
  bool in_space = false;
  ForEachCharacter(utf8, [&](bool space, size_t) {
    if (space && !in_space) ++runs;
    in_space = space;
    return true;
  });
  return runs;
}

size_t TrailingSpaceStart(std::string_view utf8) {
  size_t end = 0;
  size_t start = 0;
  ForEachCharacter(utf8, [&](bool space, size_t num_bytes) {
    end += num_bytes;
    if (!space) start = end;
    return true;
  });
  return start;
}

std::string_view StripAsciiSpace(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

}  // namespace bitloss

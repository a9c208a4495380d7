#include "bitloss/data/headings.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "bitloss/data/white_space.h"

namespace bitloss {
namespace {

constexpr std::string_view kFenceCharacters = "`~";

// A row that can begin or end fenced code.
struct Fence {
  size_t row = 0;
  size_t character = 0;  // index in kFenceCharacters
  size_t length = 0;
  bool may_open = false;
  bool may_close = false;
};

std::optional<Fence> FenceOf(std::string_view row) {
  const size_t indent = std::min(row.find_first_not_of(' '), row.size());
  if (indent > 3 || indent == row.size()) return std::nullopt;
  const size_t character = kFenceCharacters.find(row[indent]);
  if (character == std::string_view::npos) return std::nullopt;
  const size_t end = std::min(row.find_first_not_of(row[indent], indent), row.size());
  if (end - indent < 3) return std::nullopt;
  const std::string_view rest = row.substr(end);
  return Fence{.character = character,
               .length = end - indent,
               .may_open = row[indent] == '~' || rest.find('`') == std::string_view::npos,
               .may_close = IsBlank(rest)};
}

std::vector<Fence> FindFences(const Text& text) {
  std::vector<Fence> fences;
  for (size_t i = 0; i < text.rows.size(); ++i) {
    std::optional<Fence> fence = FenceOf(text.RowText(text.rows[i]));
    if (!fence) continue;
    fence->row = i;
    fences.push_back(*fence);
  }
  return fences;
}

// For each fence and character the length of the longest fence at or after it that may close one:
// without this, a text of fences that are never closed takes the square of its length.
std::vector<std::array<size_t, 2>> LongestClosing(const std::vector<Fence>& fences) {
  std::vector<std::array<size_t, 2>> longest(fences.size() + 1);
  for (size_t i = fences.size(); i-- > 0;) {
    longest[i] = longest[i + 1];
    size_t& length = longest[i][fences[i].character];
    if (fences[i].may_close) length = std::max(length, fences[i].length);
  }
  return longest;
}

struct FencedCode {
  std::vector<bool> rows;          // [rows of the text]
  size_t first_open_fence = ~0ul;  // the row of the first that is never closed
};

FencedCode FindFencedCode(const Text& text) {
  const std::vector<Fence> fences = FindFences(text);
  const auto longest = LongestClosing(fences);
  FencedCode code{.rows = std::vector<bool>(text.rows.size())};
  for (size_t i = 0; i < fences.size(); ++i) {
    const Fence& open = fences[i];
    if (!open.may_open) continue;
    if (longest[i + 1][open.character] < open.length) {
      code.first_open_fence = std::min(code.first_open_fence, open.row);
      continue;
    }
    do {
      ++i;
    } while (!fences[i].may_close || fences[i].character != open.character ||
             fences[i].length < open.length);
    for (size_t row = open.row; row <= fences[i].row; ++row) code.rows[row] = true;
  }
  return code;
}

// "= Title =", but not "= = Section = =".
bool IsWikiHeading(std::string_view row) {
  const std::string_view stripped = StripAsciiSpace(row);
  return stripped.size() > 4 && stripped.starts_with("= ") && stripped.ends_with(" =") &&
         stripped[2] != '=' && stripped[stripped.size() - 3] != '=';
}

}  // namespace

Headings FindHeadings(const Text& text) {
  const FencedCode code = FindFencedCode(text);
  const auto blank = [&](size_t i) { return i >= text.rows.size() || text.rows[i].blank; };
  Headings headings;
  for (size_t i = 0; i < text.rows.size(); ++i) {
    const std::string_view row = text.RowText(text.rows[i]);
    const bool alone = (i == 0 || blank(i - 1)) && blank(i + 1);
    const bool markdown = row.starts_with("# ");
    if (alone && (IsWikiHeading(row) || (markdown && !code.rows[i]))) {
      headings.rows.push_back(i);
      if (markdown && i > code.first_open_fence) ++headings.num_after_open_fence;
    } else if (markdown) {
      ++headings.num_refused;
    }
  }
  return headings;
}

}  // namespace bitloss

#include "bitloss/data/protocols/wikitext_pages.h"

#include <utility>

#include "bitloss/data/white_space.h"

namespace bitloss {
namespace {

std::string ReplaceAll(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  size_t begin = 0;
  for (size_t at; (at = text.find(from, begin)) != std::string_view::npos;) {
    out += text.substr(begin, at - begin);
    out += to;
    begin = at + from.size();
  }
  out += text.substr(begin);
  return out;
}

bool LooksLikeHeading(std::string_view line) {
  const std::string collapsed = ReplaceAll(ReplaceAll(line, "= = =", "==="), "= =", "==");
  const std::string_view stripped = StripAsciiSpace(collapsed);
  return stripped.starts_with("= ") && stripped.ends_with(" =");
}

// re.sub of  open \s*([^close]*?)\s* close  by  open \1 close.
std::string TrimInside(std::string_view text, char open, char close) {
  std::string out;
  size_t begin = 0;
  while (true) {
    const size_t from = text.find(open, begin);
    const size_t to = from == std::string_view::npos ? from : text.find(close, from + 1);
    if (to == std::string_view::npos) break;
    out += text.substr(begin, from + 1 - begin);
    out += StripAsciiSpace(text.substr(from + 1, to - from - 1));
    out += close;
    begin = to + 1;
  }
  out += text.substr(begin);
  return out;
}

// re.sub(r"/' [0-9]/", r"/'[0-9]/", text): the harness means to close up "' 90s", but its pattern
// has slashes in it and its replacement is literal.
std::string ReplaceSlashedDigit(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    if (rest.size() >= 5 && rest.starts_with("/' ") && rest[3] >= '0' && rest[3] <= '9' &&
        rest[4] == '/') {
      out += "/'[0-9]/";
      i += 5;
    } else {
      out += text[i++];
    }
  }
  return out;
}

}  // namespace

std::vector<PageRange> SplitIntoPages(std::string_view raw) {
  std::vector<PageRange> pages;
  size_t page_begin = 0;
  for (size_t begin = 0; begin <= raw.size();) {
    const size_t newline = raw.find('\n', begin);
    const size_t end = newline == std::string_view::npos ? raw.size() : newline;
    if (begin > page_begin && LooksLikeHeading(raw.substr(begin, end - begin))) {
      const size_t page_end = begin - 1;
      if (!StripAsciiSpace(raw.substr(page_begin, page_end - page_begin)).empty()) {
        pages.push_back({page_begin, page_end});
      }
      page_begin = begin;
    }
    begin = end + 1;
  }
  pages.push_back({page_begin, raw.size()});
  return pages;
}

std::string Detokenize(std::string_view page) {
  std::string s = ReplaceAll(page, "s '", "s'");
  s = ReplaceSlashedDigit(s);
  constexpr std::pair<std::string_view, std::string_view> kPunctuation[] = {
      {" @-@ ", "-"}, {" @,@ ", ","}, {" @.@ ", "."}, {" : ", ": "}, {" ; ", "; "},
      {" . ", ". "},  {" ! ", "! "},  {" ? ", "? "},  {" , ", ", "}};
  for (const auto& [from, to] : kPunctuation) s = ReplaceAll(s, from, to);
  constexpr std::pair<char, char> kBrackets[] = {
      {'(', ')'}, {'[', ']'}, {'{', '}'}, {'"', '"'}, {'\'', '\''}};
  for (const auto& [open, close] : kBrackets) s = TrimInside(s, open, close);
  constexpr std::pair<std::string_view, std::string_view> kRest[] = {
      {"= = = =", "===="}, {"= = =", "==="}, {"= =", "=="},  {" \u00b0 ", "\u00b0"},
      {" \n", "\n"},       {"\n ", "\n"},    {" N ", " 1 "}, {" 's", "'s"}};
  for (const auto& [from, to] : kRest) s = ReplaceAll(s, from, to);
  return s;
}

size_t CountPieces(std::string_view page) { return CountSpaceRuns(page) + 1; }

}  // namespace bitloss

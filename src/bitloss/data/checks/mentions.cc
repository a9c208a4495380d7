#include "bitloss/data/checks/mentions.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "bitloss/data/checks/answer_text.h"

namespace bitloss {
namespace {

template <size_t kSize>
bool IsIn(const std::array<std::string_view, kSize>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

bool IsNegation(std::string_view word) {
  constexpr std::array<std::string_view, 7> kNegations = {"not",    "never",   "neither", "nor",
                                                          "hardly", "without", "isnt"};
  return word.ends_with("n't") || word.ends_with("n\u2019t") || IsIn(kNegations, word);
}

bool IsFiller(std::string_view word) {
  constexpr std::array<std::string_view, 15> kFillers = {"a",  "an", "the", "very",   "really",
                                                         "at", "in", "on",  "by",     "of",
                                                         "to", "be", "is",  "number", "letter"};
  return IsIn(kFillers, word);
}

std::string_view WithoutMarks(std::string_view word) {
  constexpr std::string_view kMarks = "*_\"'`(";
  while (!word.empty() && kMarks.find(word.front()) != std::string_view::npos) {
    word.remove_prefix(1);
  }
  while (!word.empty() && kMarks.find(word.back()) != std::string_view::npos) word.remove_suffix(1);
  return word;
}

// "does not turn into", up to what "but" takes back.
bool IsNegatedClause(const std::vector<std::string_view>& words) {
  constexpr size_t kReach = 4;
  for (size_t back = 1; back <= std::min(kReach, words.size()); ++back) {
    const std::string_view word = WithoutMarks(words[words.size() - back]);
    if (word == "but" || word == "and" || word == "because" || word == "so") return false;
    if (IsNegation(word)) return true;
  }
  return false;
}

}  // namespace

bool IsNegatedAt(std::string_view text, size_t at) {
  const std::string_view before = text.substr(0, at);
  const std::string_view clause = before.substr(before.find_last_of(".,:!?\n;") + 1);
  if (IsNegatedClause(Words(clause))) return true;
  std::vector<std::string_view> words = Words(before.substr(before.find_last_of(".!?\n;") + 1));
  while (!words.empty() && IsFiller(WithoutMarks(words.back()))) words.pop_back();
  if (words.empty()) return false;
  const std::string_view last = WithoutMarks(words.back());
  if (IsNegation(last) || last == "instead") return true;
  return last == "than" && words.size() > 1 && words[words.size() - 2] == "rather";
}

bool IsOneOfSeveral(std::string_view text, size_t begin, size_t end) {
  std::vector<std::string_view> before = Words(text.substr(0, begin));
  while (!before.empty() && IsFiller(before.back())) before.pop_back();
  const std::string_view rest = Trim(text.substr(end));
  return (!before.empty() && before.back() == "or") || rest.starts_with("or ");
}

}  // namespace bitloss

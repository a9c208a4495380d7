// max_copy, no_repeat: an answer that copies its prompt, or itself. Words are compared case-folded
// and without punctuation.
#include <algorithm>
#include <set>

#include "bitloss/data/checks/answer_text.h"
#include "bitloss/data/checks/list.h"

namespace bitloss {
namespace {

std::vector<std::string> ComparableWords(std::string_view text) {
  std::vector<std::string> words;
  for (const std::string_view word : Words(text)) {
    words.push_back(Normalize(word, {.casefold = true, .collapse_ws = true, .strip_punct = true}));
  }
  return words;
}

// The longest run of words of `a` that occurs in `b`: where it begins in `a`, and its length.
struct Run {
  size_t begin = 0;
  size_t length = 0;
};
Run LongestCommonRun(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  Run best;
  std::vector<size_t> previous(b.size() + 1, 0);  // runs that end at a[i-1], b[j-1]
  for (size_t i = 0; i < a.size(); ++i) {
    std::vector<size_t> current(b.size() + 1, 0);
    for (size_t j = 0; j < b.size(); ++j) {
      if (a[i] != b[j]) continue;
      current[j + 1] = previous[j] + 1;
      if (current[j + 1] > best.length) {
        best = {.begin = i + 1 - current[j + 1], .length = current[j + 1]};
      }
    }
    previous = std::move(current);
  }
  return best;
}

}  // namespace

// `max_words`: the longest run of words taken over from `source` (default: the prompt).
Result<CheckFunction> CompileMaxCopy(Fields& fields) {
  BITLOSS_TRY(const std::optional<uint64_t> max_words, fields.Count("max_words"));
  if (!max_words) return fields.Bad("max_words", "missing; a whole number is expected");
  BITLOSS_TRY(const std::string source, fields.StringOr("source", ""));
  return CheckFunction([max = *max_words, source](const AnswerView& answer) -> Judged {
    const Run run = LongestCommonRun(
        ComparableWords(answer.scoped),
        ComparableWords(source.empty() ? answer.prompt : std::string_view(source)));
    return Decide(run.length <= max, fmt::format("copies {} words", run.length));
  });
}

// 1 - distinct / all runs of `ngram` words (default 4) is at most `max_share` (default 0.2).
Result<CheckFunction> CompileNoRepeat(Fields& fields) {
  BITLOSS_TRY(const std::optional<uint64_t> ngram, fields.Count("ngram"));
  BITLOSS_TRY(const double max_share, fields.NumberOr("max_share", 0.2));
  const uint64_t n = ngram.value_or(4);
  if (n < 1 || n > 64) return fields.Bad("ngram", "must be between 1 and 64");
  if (!(max_share >= 0.0 && max_share < 1.0)) return fields.Bad("max_share", "must be in [0, 1)");
  return CheckFunction([n, max_share](const AnswerView& answer) -> Judged {
    const std::vector<std::string> words = ComparableWords(answer.scoped);
    if (words.size() < n) return Decide(true, "too short to repeat itself");
    std::set<std::vector<std::string>> distinct;
    const size_t all = words.size() - n + 1;
    for (size_t i = 0; i < all; ++i) {
      const auto begin = words.begin() + static_cast<ptrdiff_t>(i);
      distinct.emplace(begin, begin + static_cast<ptrdiff_t>(n));
    }
    const double share = 1.0 - static_cast<double>(distinct.size()) / static_cast<double>(all);
    return Decide(share <= max_share, fmt::format("{:.2f} repeated", share));
  });
}

}  // namespace bitloss

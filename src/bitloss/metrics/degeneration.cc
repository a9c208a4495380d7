#include "bitloss/metrics/degeneration.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "bitloss/base/check.h"
#include "bitloss/base/text.h"

namespace bitloss {
namespace {

constexpr size_t kLongestPeriod = 64;
constexpr size_t kShortestLoop = 24;
constexpr size_t kRepeats = 3;

// Where the part that repeats with `period` up to the end begins.
size_t PeriodicFrom(std::span<const int32_t> tokens, size_t period) {
  size_t begin = tokens.size() - period;
  while (begin > 0 && tokens[begin - 1] == tokens[begin - 1 + period]) --begin;
  return begin;
}

// The longest run from `at` that also begins before it.
size_t LongestEarlierRun(std::span<const int32_t> tokens, size_t at) {
  size_t longest = 0;
  for (size_t start = 0; start < at; ++start) {
    size_t length = 0;
    while (at + length < tokens.size() && tokens[start + length] == tokens[at + length]) ++length;
    longest = std::max(longest, length);
  }
  return longest;
}

}  // namespace

std::optional<double> RepeatedNgramShare(std::span<const int32_t> tokens, size_t n) {
  BITLOSS_CHECK(n > 0);
  if (tokens.size() < n) return std::nullopt;
  const auto less = [](std::span<const int32_t> a, std::span<const int32_t> b) {
    return std::ranges::lexicographical_compare(a, b);
  };
  std::set<std::span<const int32_t>, decltype(less)> distinct(less);
  const size_t count = tokens.size() - n + 1;
  for (size_t i = 0; i < count; ++i) distinct.insert(tokens.subspan(i, n));
  return 1.0 - static_cast<double>(distinct.size()) / static_cast<double>(count);
}

std::optional<Loop> FindLoop(std::span<const int32_t> tokens) {
  for (size_t period = 1; period <= kLongestPeriod; ++period) {
    const size_t needed = std::max(kRepeats * period, kShortestLoop);
    if (needed > tokens.size()) break;
    const size_t onset = PeriodicFrom(tokens, period);
    if (tokens.size() - onset >= needed) return Loop{period, onset};
  }
  return std::nullopt;
}

std::optional<double> PhrasesPerToken(std::span<const int32_t> tokens) {
  if (tokens.empty()) return std::nullopt;
  size_t num_phrases = 0;
  for (size_t at = 0; at < tokens.size(); ++num_phrases) {
    at += std::max<size_t>(1, LongestEarlierRun(tokens, at));
  }
  return static_cast<double>(num_phrases) / static_cast<double>(tokens.size());
}

bool EndsEarly(size_t num_tokens, size_t num_base_tokens) {
  return num_tokens < 5 || 4 * num_tokens < num_base_tokens;
}

std::optional<double> PromptEcho(std::string_view answer, std::string_view prompt) {
  if (answer.empty()) return std::nullopt;
  const std::u32string ours = CodePointsOf(answer);
  const std::u32string asked = CodePointsOf(prompt);
  // run[j]: how many characters before asked[j] equal those before the answer's current one.
  std::vector<uint32_t> run(asked.size() + 1, 0);
  uint32_t longest = 0;
  for (const char32_t character : ours) {
    for (size_t j = asked.size(); j > 0; --j) {
      run[j] = asked[j - 1] == character ? run[j - 1] + 1 : 0;
      longest = std::max(longest, run[j]);
    }
  }
  return static_cast<double>(longest) / static_cast<double>(ours.size());
}

}  // namespace bitloss

// Signs that a model has stopped making sense, seen in its answer alone. Good models show them too,
// when they decode greedily: compare with the baseline's rate, not with zero.
#ifndef BITLOSS_METRICS_DEGENERATION_H_
#define BITLOSS_METRICS_DEGENERATION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace bitloss {

// rep-n: 1 - distinct n-grams / all n-grams. None if the answer is shorter than n.
// Requires: n > 0.
std::optional<double> RepeatedNgramShare(std::span<const int32_t> tokens, size_t n);

// The answer ends by going round: its last max(3 period, 24) tokens, or more, repeat with a period
// of at most 64.
struct Loop {
  size_t period;  // the smallest
  size_t onset;   // where the repeating part begins
};
std::optional<Loop> FindLoop(std::span<const int32_t> tokens);

// Phrases of the greedy LZ77 parse, over the number of tokens: each phrase is the longest run that
// also begins earlier (it may reach into itself), or one new token. Near 1 nothing repeats, near 0
// everything. None if there are no tokens.
std::optional<double> PhrasesPerToken(std::span<const int32_t> tokens);

// Ended by itself suspiciously soon: under 5 tokens, or under a quarter of the baseline's answer.
bool EndsEarly(size_t num_tokens, size_t num_base_tokens);

// The longest run of characters (code points) that the answer has in common with its prompt, over
// the answer's length. None for an empty answer. Short answers echo much by rights ("Paris"): it is
// the change against the baseline that says something. Time and memory: the product of the lengths,
// and the prompt's.
std::optional<double> PromptEcho(std::string_view answer, std::string_view prompt);

}  // namespace bitloss

#endif  // BITLOSS_METRICS_DEGENERATION_H_

// Does an answer decline to answer? By phrases in its first 200 characters, English and Chinese.
//
// An idiom ("I can't wait") is none, and an apology only with an inability behind it.
// A list of phrases misses partial refusals and fires on quoted ones: fit to see a *change* on
// harmless prompts, not to measure safety.
#ifndef BITLOSS_METRICS_REFUSAL_H_
#define BITLOSS_METRICS_REFUSAL_H_

#include <cstddef>
#include <optional>
#include <string_view>

namespace bitloss {

inline constexpr size_t kRefusalCharacters = 200;  // from the beginning of the answer

// The phrase that refuses, in `text` as it is: lower case, straight apostrophes, single spaces.
std::optional<std::string_view> FindRefusalPhrase(std::string_view text);

// The same in an answer as the model wrote it. ASCII letters are folded, white space collapsed; the
// rest is taken as it is.
std::optional<std::string_view> FindRefusal(std::string_view answer);

}  // namespace bitloss

#endif  // BITLOSS_METRICS_REFUSAL_H_

// Whether an answer says a thing or says it away: "not Portugal", "Spain rather than Portugal".
#ifndef BITLOSS_DATA_CHECKS_MENTIONS_H_
#define BITLOSS_DATA_CHECKS_MENTIONS_H_

#include <cstddef>
#include <string_view>

namespace bitloss {

// Whether what begins at `at` in the case-folded `text` is negated by the words right before it.
bool IsNegatedAt(std::string_view text, size_t at);

// Whether "or" stands right before or right after [begin, end).
bool IsOneOfSeveral(std::string_view text, size_t begin, size_t end);

}  // namespace bitloss

#endif  // BITLOSS_DATA_CHECKS_MENTIONS_H_

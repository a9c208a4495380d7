// How alike two answers are, without any model to judge: by token ids and by characters.
#ifndef BITLOSS_METRICS_SIMILARITY_H_
#define BITLOSS_METRICS_SIMILARITY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace bitloss {

// The first position where the answers differ; where one ends, if it is the beginning of the other;
// none if they are identical. Later positions of greedy answers are not comparable.
std::optional<size_t> FirstDivergence(std::span<const int32_t> a, std::span<const int32_t> b);

// Levenshtein's distance: the fewest insertions, deletions and replacements of one token that turn
// a into b.
size_t EditDistance(std::span<const int32_t> a, std::span<const int32_t> b);

// The same over the longer length: 0 identical (also two empty answers), 1 nothing in common.
double EditDistanceShare(std::span<const int32_t> a, std::span<const int32_t> b);

// chrF2 in [0, 100], as sacreBLEU computes it for one sentence: with precision and recall of
// character n-grams, averaged over those n of 1 to 6 for which both texts have any,
//   chrF2 = 100 * 5 P R / (4 P + R).
// White space is removed, case kept. 0 if either text is empty. Bytes that are not valid UTF-8
// count as one character each.
double ChrF2(std::string_view hypothesis, std::string_view reference);

}  // namespace bitloss

#endif  // BITLOSS_METRICS_SIMILARITY_H_

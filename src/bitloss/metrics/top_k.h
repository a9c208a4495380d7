// The most likely tokens of a row of logits. Of equal logits the lower id ranks first, everywhere.
#ifndef BITLOSS_METRICS_TOP_K_H_
#define BITLOSS_METRICS_TOP_K_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace bitloss {

struct ScoredToken {
  int32_t id;
  float logit;
  friend bool operator==(const ScoredToken&, const ScoredToken&) = default;
};

// The order of such lists: by falling logits, then by rising ids. Requires: no logit is NaN.
bool RanksBefore(const ScoredToken& a, const ScoredToken& b);

// The k largest logits in falling order; all of them if there are fewer than k.
// Requires: no logit is NaN; logits.size() < 2^31.
std::vector<ScoredToken> TopK(std::span<const float> logits, size_t k);

// The greedy choice. Requires: logits not empty, none NaN.
int32_t ArgMax(std::span<const float> logits);

// |ids of a and ids of b| / size, whatever the order. Requires: equal, non-zero sizes.
double TopKOverlap(std::span<const ScoredToken> a, std::span<const ScoredToken> b);

}  // namespace bitloss

#endif  // BITLOSS_METRICS_TOP_K_H_

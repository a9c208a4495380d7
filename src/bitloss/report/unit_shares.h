// How the units of a protocol enter its mean:
//
//   nll = sum_u scale(u) * (sum of the losses of u) / sum_u denominator(u)
//
// Per token, scale is weight / num_scored and the denominator the weight. Per word (rolling-doc),
// scale is 1, and a document's words and bytes, which its first unit holds, are spread evenly over
// the scored tokens of all its units: a document that needs several windows is one document, and
// each of its clusters has its share of the words.
#ifndef BITLOSS_REPORT_UNIT_SHARES_H_
#define BITLOSS_REPORT_UNIT_SHARES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "bitloss/store/records.h"

namespace bitloss {

struct UnitShare {
  double scale = 0.0;
  double denominator = 0.0;
  double bytes = 0.0;  // of the text; 0 where the protocol does not count them
};

// By place in `units`, which ascend. Units of a document that is not all there have no share yet
// (all zeros): what its tokens are worth is not known before its last window is. `num_units` is how
// many units the protocol has once everything is measured.
std::vector<UnitShare> SharesOfTokens(std::span<const TextUnit> units);
std::vector<UnitShare> SharesOfWords(std::span<const TextUnit> units, uint64_t num_units);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_UNIT_SHARES_H_

// The same prompts passed or failed by the baseline and by a lane: what changed, and could it be
// chance?
#ifndef BITLOSS_STATS_PAIRED_OUTCOMES_H_
#define BITLOSS_STATS_PAIRED_OUTCOMES_H_

#include <cstdint>

#include "bitloss/stats/estimate.h"

namespace bitloss {

struct PairedTable {
  uint64_t both = 0;
  uint64_t base_only = 0;  // regressions
  uint64_t lane_only = 0;  // recoveries
  uint64_t neither = 0;

  uint64_t Total() const { return both + base_only + lane_only + neither; }
};

// Are regressions and recoveries equally likely? Two-sided, given their number n: with
// X ~ Binomial(n, 1/2) and k the smaller of the two,
//   exact = min(1, 2 P(X <= k)),   mid_p = 2 P(X <= k) - P(X = k) (1 if both are equal).
// Without a change both are 1.
struct McNemarTest {
  double exact;
  double mid_p;
};
McNemarTest TestMcNemar(const PairedTable& table);

// The change of the pass rate, (lane_only - base_only) / total.
// Requires: table.Total() > 0.
double NetChange(const PairedTable& table);

// Tango's score interval (1998) for the change of the pass rate: the differences that the score
// test would not reject, the other parameter at its restricted maximum likelihood. Its ends are
// found to the last bit or two. Requires: table.Total() > 0; 0 < confidence < 1.
Interval TangoInterval(const PairedTable& table, double confidence = 0.95);

}  // namespace bitloss

#endif  // BITLOSS_STATS_PAIRED_OUTCOMES_H_

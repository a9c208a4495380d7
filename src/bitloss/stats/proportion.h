// Intervals for one proportion that stay honest for few trials and for none or all successes.
#ifndef BITLOSS_STATS_PROPORTION_H_
#define BITLOSS_STATS_PROPORTION_H_

#include <cstdint>

#include "bitloss/stats/estimate.h"

namespace bitloss {

// Two-sided. Requires for both: 0 <= successes <= trials, trials > 0, 0 < confidence < 1.

// Wilson's score interval: the proportions that a z-test would not reject.
Interval WilsonInterval(uint64_t successes, uint64_t trials, double confidence = 0.95);

// Clopper and Pearson's exact interval: never covers less than `confidence`, often more.
Interval ClopperPearsonInterval(uint64_t successes, uint64_t trials, double confidence = 0.95);

}  // namespace bitloss

#endif  // BITLOSS_STATS_PROPORTION_H_

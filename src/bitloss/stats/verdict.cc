#include "bitloss/stats/verdict.h"

#include "bitloss/base/check.h"

namespace bitloss {

Verdict Judge(const Evidence& evidence, double margin) {
  const Interval& interval = evidence.interval;
  BITLOSS_CHECK(margin > 0 && interval.low <= interval.high);
  if (interval.low > margin) return Verdict::kHarm;
  const bool not_worse = evidence.upper_bound < margin;
  if (interval.low > 0 && not_worse) return Verdict::kSmallHarm;
  if (not_worse && evidence.lower_bound > -margin) return Verdict::kEquivalent;
  if (interval.high < 0) return Verdict::kGain;
  if (not_worse) return Verdict::kNotWorse;
  return Verdict::kNotResolved;
}

}  // namespace bitloss

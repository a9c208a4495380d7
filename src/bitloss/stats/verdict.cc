#include "bitloss/stats/verdict.h"

#include "bitloss/base/check.h"

namespace bitloss {

Verdict Judge(const Evidence& evidence, double margin) {
  const Interval& interval = evidence.interval;
  BITLOSS_CHECK(margin > 0 && interval.low <= interval.high);
  if (interval.low > margin) return Verdict::kHarm;
  if (interval.low > 0 && interval.high < margin) return Verdict::kSmallHarm;
  if (evidence.upper_bound < margin) return Verdict::kEquivalent;
  return Verdict::kNotResolved;
}

}  // namespace bitloss

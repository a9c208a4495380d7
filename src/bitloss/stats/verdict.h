// What the data allow to be said about one effect, chosen from its interval alone.
#ifndef BITLOSS_STATS_VERDICT_H_
#define BITLOSS_STATS_VERDICT_H_

#include <string_view>

#include "bitloss/stats/estimate.h"

namespace bitloss {

enum class Verdict {
  kHarm,         // the interval lies above the margin: harm, larger than what we said would matter
  kSmallHarm,    // the interval lies between 0 and the margin: there is harm, and it is small
  kEquivalent,   // a one-sided bound lies below the margin: no harm that would matter
  kNotResolved,  // anything else: "we cannot tell"
  kNotMeasured,  // there is nothing to judge; never chosen by Judge
};

constexpr std::string_view Name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kHarm:
      return "harm shown";
    case Verdict::kSmallHarm:
      return "small harm shown";
    case Verdict::kEquivalent:
      return "equivalent";
    case Verdict::kNotResolved:
      return "not resolved";
    case Verdict::kNotMeasured:
      return "not measured";
  }
  return "not measured";
}

// What is known about an effect that is harm where it is positive.
struct Evidence {
  Interval interval;   // two-sided, at a confidence adjusted for everything else that is tested
  double upper_bound;  // one-sided: the loss is not larger than this (TOST's upper half)
};

// The first of the verdicts above, in their order, whose condition holds; an end that touches the
// margin or zero does not pass it. Requires: margin > 0; interval.low <= interval.high.
Verdict Judge(const Evidence& evidence, double margin);

}  // namespace bitloss

#endif  // BITLOSS_STATS_VERDICT_H_

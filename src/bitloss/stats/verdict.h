// What the data allow to be said about one effect, chosen from its interval alone.
#ifndef BITLOSS_STATS_VERDICT_H_
#define BITLOSS_STATS_VERDICT_H_

#include <string_view>

#include "bitloss/stats/estimate.h"

namespace bitloss {

// With [L, H] the two-sided interval, U and B the one-sided bounds from above and below, M the
// margin. Every evidence has exactly one word: the conditions are tried in this order.
enum class Verdict {
  kHarm,         // L > M: harm, larger than what we said would matter
  kSmallHarm,    // L > 0, U < M: there is harm, and it is small
  kEquivalent,   // U < M, B > -M, and neither above: no change either way that would matter
  kGain,         // H < 0: better than the baseline, so changed; how far is in the interval
  kNotWorse,     // U < M: no harm that would matter; a gain that would is possible
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
    case Verdict::kGain:
      return "gain shown";
    case Verdict::kNotWorse:
      return "not worse";
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
  double upper_bound;  // one-sided: the harm is not larger than this (TOST's upper half)
  double lower_bound;  // one-sided: nor smaller than this (its lower half)
};

// The first of the verdicts above, in their order, whose condition holds; an end that touches the
// margin or zero does not pass it. Requires: margin > 0; interval.low <= interval.high.
Verdict Judge(const Evidence& evidence, double margin);

}  // namespace bitloss

#endif  // BITLOSS_STATS_VERDICT_H_

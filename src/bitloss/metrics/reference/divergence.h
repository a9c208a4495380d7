// For tests: the definition of metrics/divergence.h in plain loops, which the fast version is held
// against.
#ifndef BITLOSS_METRICS_REFERENCE_DIVERGENCE_H_
#define BITLOSS_METRICS_REFERENCE_DIVERGENCE_H_

#include <span>

#include "bitloss/metrics/divergence.h"

namespace bitloss::reference {

// Same contracts as bitloss::Summarize and bitloss::Compare, except that logits are taken to be
// good: none NaN or +inf, one finite.
RowSummary Summarize(std::span<const float> logits);
Divergence Compare(std::span<const float> base, std::span<const float> lane);

}  // namespace bitloss::reference

#endif  // BITLOSS_METRICS_REFERENCE_DIVERGENCE_H_

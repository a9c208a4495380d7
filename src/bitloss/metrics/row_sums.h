// The parts of Summarize and Compare (divergence.h) for who sums rows of logits elsewhere.
#ifndef BITLOSS_METRICS_ROW_SUMS_H_
#define BITLOSS_METRICS_ROW_SUMS_H_

#include "bitloss/metrics/divergence.h"

namespace bitloss {

// `extent` (max, min and top1) completed with the sums over the row of exp(x - max) and of
// exp(x - max) (x - max).
RowSummary SummaryOfSums(RowSummary extent, double sum, double weighted);

// Whether no column's exponential comes near the subnormal numbers.
bool StaysNormal(const RowSummary& summary);

}  // namespace bitloss

#endif  // BITLOSS_METRICS_ROW_SUMS_H_

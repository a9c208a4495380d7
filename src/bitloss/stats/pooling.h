// Small groups that borrow from each other: empirical-Bayes estimates of proportions.
#ifndef BITLOSS_STATS_POOLING_H_
#define BITLOSS_STATS_POOLING_H_

#include <cstdint>
#include <span>
#include <vector>

#include "bitloss/stats/estimate.h"

namespace bitloss {

struct GroupCount {
  uint64_t successes = 0;
  uint64_t trials = 0;
};

struct PooledProportion {
  double value = 0.0;   // posterior mean
  Interval interval{};  // equal-tailed posterior interval; the prior's own error is not in it
};

// The prior that all groups share, Beta(a, b), by moments: its mean m is the pooled proportion, its
// weight a + b = m (1 - m) / v - 1 with v the variance of the true proportions that is left when
// the binomial part, sum_i w_i m (1 - m) / n_i, is taken from the weighted variance of the groups'
// own (w_i = n_i / sum n). Where nothing is left (v <= 0) the groups do not differ beyond chance:
// the weight is that of all trials together. At least 1. Without any success, or any failure, the
// mean is Jeffreys' (s + 1/2) / (n + 1): none seen is not certainty.
struct BetaPrior {
  double mean = 0.0;
  double weight = 0.0;
};
// Requires: some group has a trial.
BetaPrior FitBetaPrior(std::span<const GroupCount> groups);

// (successes + weight * mean) / (trials + weight), each group drawn towards the mean of all, small
// groups more. Requires: some group has a trial; 0 < confidence < 1.
std::vector<PooledProportion> PoolProportions(std::span<const GroupCount> groups,
                                              double confidence = 0.95);

}  // namespace bitloss

#endif  // BITLOSS_STATS_POOLING_H_

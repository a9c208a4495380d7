#include "bitloss/stats/pooling.h"

#include <algorithm>

#include "bitloss/base/check.h"
#include "bitloss/stats/distributions.h"

namespace bitloss {

BetaPrior FitBetaPrior(std::span<const GroupCount> groups) {
  double successes = 0;
  double trials = 0;
  for (const GroupCount& group : groups) {
    successes += static_cast<double>(group.successes);
    trials += static_cast<double>(group.trials);
  }
  BITLOSS_CHECK(trials > 0);
  const bool one_sided = successes == 0 || successes == trials;
  const double mean = one_sided ? (successes + 0.5) / (trials + 1) : successes / trials;
  const double spread = mean * (1 - mean);
  double variance = 0;
  double binomial = 0;
  for (const GroupCount& group : groups) {
    if (group.trials == 0) continue;
    const auto n = static_cast<double>(group.trials);
    const double own = static_cast<double>(group.successes) / n;
    variance += n / trials * (own - mean) * (own - mean);
    binomial += n / trials * spread / n;
  }
  const double left = variance - binomial;
  const double weight = left > 0 ? std::min(trials, spread / left - 1) : trials;
  return {mean, std::max(1.0, weight)};
}

std::vector<PooledProportion> PoolProportions(std::span<const GroupCount> groups,
                                              double confidence) {
  BITLOSS_CHECK(confidence > 0 && confidence < 1);
  const BetaPrior prior = FitBetaPrior(groups);
  std::vector<PooledProportion> pooled;
  for (const GroupCount& group : groups) {
    BITLOSS_CHECK(group.successes <= group.trials);
    const auto successes = static_cast<double>(group.successes);
    const auto failures = static_cast<double>(group.trials - group.successes);
    const double a = successes + prior.weight * prior.mean;
    const double b = failures + prior.weight * (1 - prior.mean);
    const double tail = (1 - confidence) / 2;
    pooled.push_back({a / (a + b), {BetaQuantile(tail, a, b), BetaQuantile(1 - tail, a, b)}});
  }
  return pooled;
}

}  // namespace bitloss

// Quantiles of a per-token quantity, with intervals that know that tokens of one article are not
// independent: the percentile interval of the cluster bootstrap.
//
// The value is at rank f (n - 1) of the sorted values, linear between neighbours. A resample draws
// as many clusters as there are, with replacement, and takes the same quantile of all values of the
// drawn clusters together. The interval's ends are quantiles of the resamples' values, asked for at
// the expanded confidence.
#ifndef BITLOSS_STATS_CLUSTERED_QUANTILE_H_
#define BITLOSS_STATS_CLUSTERED_QUANTILE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "bitloss/base/threads.h"
#include "bitloss/stats/clustered_mean.h"
#include "bitloss/stats/estimate.h"

namespace bitloss {

struct ClusterValue {
  double value;      // not NaN
  uint32_t cluster;  // any numbering
};

// With fewer effective clusters a resample's quantile is one of a handful of values, and intervals
// of 95 % were measured to cover 50 to 85 %: there are none (docs/statistics.md).
inline constexpr double kMinEffectiveClustersOfQuantiles = 6;

// The two-sided coverage to ask of a bootstrap of G clusters so that it delivers `confidence`
// (Hesterberg 2015). Resamples vary by G where G - 1 belongs, and their quantiles are a normal's
// where Student's belong; P(|Z| <= sqrt(G / (G - 1)) t), t of G - 1 degrees of freedom, makes good
// both. Requires: clusters > 1; 0 < confidence < 1.
double ExpandedConfidence(double confidence, double clusters);

// One estimate for each of `fractions`, without a standard error. Sorts `values` in place. With
// fewer than kMinEffectiveClustersOfQuantiles there are values and no intervals. The seed and the
// number of resamples are those of `options`; the same bits for any number of threads. Requires:
// values not empty; 0 <= fractions <= 1.
std::vector<Estimate> ClusteredQuantiles(std::vector<ClusterValue>& values,
                                         std::span<const double> fractions, ThreadPool& threads,
                                         const MeanOptions& options = {});

}  // namespace bitloss

#endif  // BITLOSS_STATS_CLUSTERED_QUANTILE_H_

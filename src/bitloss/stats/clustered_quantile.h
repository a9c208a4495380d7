// Quantiles of a per-token quantity, with intervals that know that tokens of one article are not
// independent: the percentile interval of the cluster bootstrap.
//
// The value is at rank f (n - 1) of the sorted values, linear between neighbours. A resample draws
// as many clusters as there are, with replacement, and takes the same quantile of all values of the
// drawn clusters together. The interval's ends are quantiles of the resamples' values, asked for at
// the expanded confidence (clustered_mean.h).
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

// One estimate for each of `fractions`, without a standard error. Sorts `values` in place. With one
// cluster there are values and no intervals. The seed and the number of resamples are those of
// `options`; the same bits for any number of threads.
// Requires: values not empty; 0 <= fractions <= 1.
std::vector<Estimate> ClusteredQuantiles(std::vector<ClusterValue>& values,
                                         std::span<const double> fractions, ThreadPool& threads,
                                         const BootstrapOptions& options = {});

}  // namespace bitloss

#endif  // BITLOSS_STATS_CLUSTERED_QUANTILE_H_

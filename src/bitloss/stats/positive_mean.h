// The interval of a clustered mean of something that is never negative and skewed to the right: a
// divergence, whose mean rests on few large clusters, and whose ordinary interval ends too low.
//
// On the scale of logarithms, with v the mean and SE its jackknife standard error
// (clustered_mean.h):
//
//   low  = v exp(-t_(1-a) SE / v)                        a = (1 - confidence) / 2
//   high = max(v exp(-t_(a) SE / v), exp(m + s^2 / 2 + q w))
//
// The t_(p) are the quantiles p of bootstrap-t: over resamples r of the clusters,
// t_r = (ln v_r - ln v) v_r / SE_r, interpolated at p (n - 1). A tail of fewer than 25 resamples is
// not resolved: there t_(p) is the 25th, or Student's q if that is further out.
//
// The second term is Cox's bound of a lognormal mean (Land 1972; Zhou and Gao 1997): m and s^2 the
// mean and variance of the logarithms of the clusters' own means, G the effective clusters,
// q Student's quantile 1 - a of G - 1 degrees of freedom,
// w^2 = s^2 / G + s^4 / (2 (G - 1)). Resamples hold no cluster larger than those that were seen; it
// stands for the ones that were not. Left out where a cluster's mean is 0.
#ifndef BITLOSS_STATS_POSITIVE_MEAN_H_
#define BITLOSS_STATS_POSITIVE_MEAN_H_

#include <optional>
#include <span>

#include "bitloss/base/threads.h"
#include "bitloss/stats/clustered_mean.h"

namespace bitloss {

// [0, 0] if all clusters are 0. None where more than a tenth of the resamples have no standard
// error, or the mean is not above 0 (rounding can leave a divergence of nothing below it). The same
// bits for any number of threads. Requires: at least three clusters.
std::optional<Interval> PositiveMeanInterval(std::span<const ClusterSum> clusters,
                                             ThreadPool& threads, const MeanOptions& options);

}  // namespace bitloss

#endif  // BITLOSS_STATS_POSITIVE_MEAN_H_

// The bootstrap-t interval of a clustered mean: a check on the jackknife's t interval where
// clusters are few, with quantiles taken from the data instead of Student's table.
//
//   t_r = (ratio_r - value) / SE_r,   interval = [value - t_(1-a) SE, value - t_(a) SE]
//
// over resamples r of the clusters, SE the delete-one jackknife's (clustered_mean.h), t_(q) the
// quantile q of the t_r, a = (1 - confidence) / 2. It may be far wider than the jackknife's: that
// is what it warns of.
#ifndef BITLOSS_STATS_BOOTSTRAP_T_H_
#define BITLOSS_STATS_BOOTSTRAP_T_H_

#include <optional>
#include <span>
#include <vector>

#include "bitloss/base/threads.h"
#include "bitloss/stats/clustered_mean.h"
#include "bitloss/stats/estimate.h"

namespace bitloss {

// On which scale a resample is compared with the value.
enum class Scale {
  kLinear,  // t_r as above
  kLog,     // (ln ratio_r - ln value) ratio_r / SE_r; requires: value > 0
};

// The t_r of options.num_resamples resamples, sorted; without those whose standard error is 0 (or,
// of kLog, whose ratio is not above 0). Requires: at least two clusters.
std::vector<double> StudentizedResamples(std::span<const ClusterSum> clusters, Scale scale,
                                         ThreadPool& threads, const MeanOptions& options);

// Whether enough of the resamples have a standard error: nine in ten.
bool EnoughResamples(size_t num_studentized, const MeanOptions& options);

// The value at rank fraction (n - 1), linear between neighbours. Requires: not empty.
double QuantileOfSorted(std::span<const double> sorted, double fraction);

// t_r of one resample that drew `drawn`, of clusters whose ratio is `value`. None if its standard
// error is 0: all that was drawn is alike. Requires: at least two clusters.
std::optional<double> StudentizedRatio(std::span<const ClusterSum> drawn, double value);

// The interval from the sorted t_r of resamples; quantiles are interpolated at f (n - 1).
// Requires: not empty; 0 < confidence < 1.
Interval StudentizedInterval(std::span<const double> sorted_t, double value, double standard_error,
                             double confidence);

// None with fewer than three clusters, or where more than a tenth of the resamples have no
// standard error. The same bits for any number of threads.
std::optional<Interval> BootstrapTInterval(std::span<const ClusterSum> clusters,
                                           ThreadPool& threads, const MeanOptions& options = {});

}  // namespace bitloss

#endif  // BITLOSS_STATS_BOOTSTRAP_T_H_

// The mean of a per-token quantity with an interval that knows that tokens of one article, or of
// one prompt, are not independent (methodology: paired cluster estimators).
//
// With s_a the sum over the tokens of cluster a and n_a their number, the estimate is the ratio of
// sums
//
//   value = sum_a s_a / sum_a n_a
//
// and everything about its error comes from the clusters: delete one (jackknife) or draw them again
// (bootstrap). For differences between two lanes, give the per-token differences: the estimate is
// then paired.
//
// Sums are double with a running correction, in the order of the cluster ids; nothing depends on
// the order of the units nor on the number of threads.
#ifndef BITLOSS_STATS_CLUSTERED_MEAN_H_
#define BITLOSS_STATS_CLUSTERED_MEAN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bitloss/base/threads.h"
#include "bitloss/stats/estimate.h"

namespace bitloss {

// What was measured at once: a sequence, a prompt. A unit that straddles two clusters is given as
// two.
struct UnitSum {
  uint32_t cluster;  // which article or prompt; any numbering
  double sum;        // of the quantity over the unit's tokens
  uint64_t count;    // how many tokens; a unit of none is ignored
};

struct ClusterSum {
  double sum;
  double count;  // > 0
};

// One entry for each cluster that has tokens, by rising id.
std::vector<ClusterSum> SumByCluster(std::span<const UnitSum> units);

// (sum n_a)^2 / sum n_a^2: how many clusters of equal size would weigh as evenly.
// Requires: not empty.
double EffectiveClusters(std::span<const ClusterSum> clusters);

// sum s_a / sum n_a. Requires: not empty.
double RatioOfSums(std::span<const ClusterSum> clusters);

// The ratio without each of the clusters in turn. Requires: at least two.
std::vector<double> LeaveOneOut(std::span<const ClusterSum> clusters);

// sqrt((G-1)/G sum_a (r_a - mean r)^2), r_a the ratio without cluster a. Requires: at least two.
double JackknifeStandardError(std::span<const double> leave_one_out);

struct BootstrapOptions {
  // Two-sided coverage of the interval.
  double confidence = 0.95;

  // How often the clusters are drawn again; the ends of the interval are quantiles of that many.
  size_t num_resamples = 10'000;

  // Resample r is a function of the seed and of r alone.
  uint64_t seed = 20250917;

  // Below this many effective clusters the interval is the jackknife's with Student's t: the
  // bootstrap of a handful of clusters is too narrow.
  double min_effective_clusters = 30;
};

// The ratio of each resample, sorted. Requires: not empty.
std::vector<double> BootstrapRatios(std::span<const ClusterSum> clusters,
                                    const BootstrapOptions& options, ThreadPool& threads);

// The BCa interval (Efron 1987) from sorted resampled values, the estimate and its leave-one-out
// values. Quantiles are interpolated at f (n - 1); values equal to the estimate count half to the
// bias. None if all resampled values lie on one side of the estimate, or if the skewness is beyond
// what the correction can follow.
// Requires: neither span is empty; 0 < confidence < 1.
std::optional<Interval> BcaInterval(std::span<const double> sorted_resamples, double value,
                                    std::span<const double> leave_one_out, double confidence);

// The two-sided coverage to ask of a bootstrap of G clusters so that it delivers `confidence`
// (Hesterberg 2015). Resamples vary by G where G - 1 belongs, and their quantiles are a normal's
// where Student's belong; P(|Z| <= sqrt(G / (G - 1)) t), t of G - 1 degrees of freedom, makes good
// both. May round to 1 for very few clusters. Requires: clusters > 1; 0 < confidence < 1.
double ExpandedConfidence(double confidence, double clusters);

// The whole of it: the jackknife's interval below min_effective_clusters, above it BCa at the
// expanded confidence. (Plain BCa was measured to cover too little: docs/statistics.md.) With one
// cluster, or a sum that is not finite, there is a value and no interval.
// If no unit has a token the value is NaN and num_clusters 0.
Estimate ClusteredMean(std::span<const UnitSum> units, ThreadPool& threads,
                       const BootstrapOptions& options = {});

// The same from clusters that are already summed; their counts may be weights.
Estimate ClusteredMean(std::span<const ClusterSum> clusters, ThreadPool& threads,
                       const BootstrapOptions& options = {});

// exp of all of it: from the mean difference of token losses (nats) to the ratio of perplexities.
// The standard error is first order: exp(value) times that of the difference.
Estimate PerplexityRatio(const Estimate& mean_loss_difference);

}  // namespace bitloss

#endif  // BITLOSS_STATS_CLUSTERED_MEAN_H_

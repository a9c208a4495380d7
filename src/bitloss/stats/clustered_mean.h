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
// Which interval it has depends on what values are possible, and lies among them;
// docs/statistics.md has the coverage of each, measured. With v the value, SE the jackknife's
// standard error, G the effective clusters and t Student's of G - 1 degrees of freedom:
//   any number   v +- t SE
//   a share      the same for logit(v) with SE / (v (1 - v)), transformed back
//   positive     skewed to the right, as divergences are: stats/positive_mean.h
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
  double count;  // >= 0
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

// What values a mean can have.
enum class Range {
  kAny,
  kPositive,  // 0 and more; each cluster's mean is
  kShare,     // 0 to 1
};

// Fewer effective clusters than this say too little about how clusters vary: no interval.
inline constexpr double kMinEffectiveClusters = 4;

struct MeanOptions {
  // Two-sided coverage of the interval; each end is a one-sided bound at (1 + confidence) / 2.
  double confidence = 0.95;

  Range range = Range::kAny;

  // How often the clusters are drawn again, where the interval needs that.
  size_t num_resamples = 10'000;

  // Resample r is a function of the seed and of r alone.
  uint64_t seed = 20250917;
};

// Whether so many effective clusters are enough for an interval of a mean.
constexpr bool EnoughClusters(double effective_clusters) {
  return effective_clusters >= kMinEffectiveClusters;
}

// The whole of it. There is a value and no interval with fewer than kMinEffectiveClusters, with a
// sum that is not finite, and of a share that is 0 or 1 in every cluster. If no unit has a token
// the value is NaN and num_clusters 0.
Estimate ClusteredMean(std::span<const UnitSum> units, ThreadPool& threads,
                       const MeanOptions& options = {});

// The same from clusters that are already summed; their counts may be weights, some of them 0.
Estimate ClusteredMean(std::span<const ClusterSum> clusters, ThreadPool& threads,
                       const MeanOptions& options = {});

// exp of all of it: from the mean difference of token losses (nats) to the ratio of perplexities.
// The standard error is first order: exp(value) times that of the difference.
Estimate PerplexityRatio(const Estimate& mean_loss_difference);

}  // namespace bitloss

#endif  // BITLOSS_STATS_CLUSTERED_MEAN_H_

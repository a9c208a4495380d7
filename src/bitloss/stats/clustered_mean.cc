#include "bitloss/stats/clustered_mean.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "bitloss/base/check.h"
#include "bitloss/base/random.h"
#include "bitloss/base/sum.h"
#include "bitloss/stats/distributions.h"

namespace bitloss {
namespace {

// Resamples that one thread makes at a time.
constexpr size_t kResamplesPerPart = 250;

ClusterSum Total(std::span<const ClusterSum> clusters) {
  Sum sum;
  Sum count;
  for (const ClusterSum& cluster : clusters) {
    sum.Add(cluster.sum);
    count.Add(cluster.count);
  }
  return {sum.Total(), count.Total()};
}

double Mean(std::span<const double> values) {
  Sum sum;
  for (const double value : values) sum.Add(value);
  return sum.Total() / static_cast<double>(values.size());
}

// The value at rank f (n - 1), linear between neighbours.
double Quantile(std::span<const double> sorted, double fraction) {
  const double rank = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(rank);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], rank - static_cast<double>(below));
}

// The ratio of as many clusters as there are, drawn with replacement.
double ResampledRatio(std::span<const ClusterSum> clusters, const RandomStream& random,
                      uint64_t resample) {
  double sum = 0;
  double count = 0;
  uint64_t bits = 0;
  for (uint64_t draw = 0; draw < clusters.size(); ++draw) {
    // Two draws of 32 bits from each 64. The high half of the product is uniform over the clusters,
    // to one part in 2^32 / clusters.
    bits = draw % 2 == 0 ? random.Bits(resample, draw / 2) : bits >> 32;
    const ClusterSum& drawn = clusters[(bits & 0xFFFFFFFF) * clusters.size() >> 32];
    sum += drawn.sum;
    count += drawn.count;
  }
  return sum / count;
}

// a of BCa: a sixth of the skewness of the leave-one-out values, turned round. Zero if they are all
// equal.
double Acceleration(std::span<const double> leave_one_out) {
  const double mean = Mean(leave_one_out);
  Sum squares;
  Sum cubes;
  for (const double value : leave_one_out) {
    const double difference = mean - value;
    squares.Add(difference * difference);
    cubes.Add(difference * difference * difference);
  }
  return squares.Total() == 0 ? 0.0 : cubes.Total() / (6 * std::pow(squares.Total(), 1.5));
}

std::optional<Interval> StudentTInterval(double value, double standard_error, double degrees,
                                         double confidence) {
  if (!(degrees > 0)) return std::nullopt;
  const double t = StudentTQuantile(0.5 + confidence / 2, degrees);
  if (!std::isfinite(t)) return std::nullopt;
  return Interval{value - t * standard_error, value + t * standard_error};
}

}  // namespace

std::vector<ClusterSum> SumByCluster(std::span<const UnitSum> units) {
  struct Running {
    std::vector<double> sums;
    uint64_t count = 0;
  };
  std::map<uint32_t, Running> clusters;
  for (const UnitSum& unit : units) {
    if (unit.count == 0) continue;
    Running& cluster = clusters[unit.cluster];
    cluster.sums.push_back(unit.sum);
    cluster.count += unit.count;
  }
  std::vector<ClusterSum> totals;
  totals.reserve(clusters.size());
  for (auto& [id, cluster] : clusters) {
    // Sorted, so that the total does not depend on the order in which units were measured.
    std::sort(cluster.sums.begin(), cluster.sums.end());
    Sum sum;
    double beyond = 0;  // infinite or NaN; Sum takes finite terms only
    for (const double x : cluster.sums) std::isfinite(x) ? sum.Add(x) : void(beyond += x);
    totals.push_back({sum.Total() + beyond, static_cast<double>(cluster.count)});
  }
  return totals;
}

double EffectiveClusters(std::span<const ClusterSum> clusters) {
  BITLOSS_CHECK(!clusters.empty());
  Sum squares;
  for (const ClusterSum& cluster : clusters) squares.Add(cluster.count * cluster.count);
  const double count = Total(clusters).count;
  return count * count / squares.Total();
}

double RatioOfSums(std::span<const ClusterSum> clusters) {
  BITLOSS_CHECK(!clusters.empty());
  const ClusterSum total = Total(clusters);
  return total.sum / total.count;
}

std::vector<double> LeaveOneOut(std::span<const ClusterSum> clusters) {
  BITLOSS_CHECK(clusters.size() >= 2);
  const ClusterSum total = Total(clusters);
  std::vector<double> ratios;
  ratios.reserve(clusters.size());
  for (const ClusterSum& cluster : clusters) {
    ratios.push_back((total.sum - cluster.sum) / (total.count - cluster.count));
  }
  return ratios;
}

double JackknifeStandardError(std::span<const double> leave_one_out) {
  BITLOSS_CHECK(leave_one_out.size() >= 2);
  const double mean = Mean(leave_one_out);
  Sum squares;
  for (const double value : leave_one_out) squares.Add((value - mean) * (value - mean));
  const auto n = static_cast<double>(leave_one_out.size());
  return std::sqrt((n - 1) / n * squares.Total());
}

std::vector<double> BootstrapRatios(std::span<const ClusterSum> clusters,
                                    const BootstrapOptions& options, ThreadPool& threads) {
  BITLOSS_CHECK(!clusters.empty() && clusters.size() < (size_t{1} << 32));
  const RandomStream random(options.seed, "cluster bootstrap");
  std::vector<double> ratios(options.num_resamples);
  const size_t num_parts = (ratios.size() + kResamplesPerPart - 1) / kResamplesPerPart;
  threads.ForEachPart(num_parts, [&](size_t part, size_t) {
    const size_t end = std::min((part + 1) * kResamplesPerPart, ratios.size());
    for (size_t r = part * kResamplesPerPart; r < end; ++r) {
      ratios[r] = ResampledRatio(clusters, random, r);
    }
  });
  std::sort(ratios.begin(), ratios.end());
  return ratios;
}

std::optional<Interval> BcaInterval(std::span<const double> sorted_resamples, double value,
                                    std::span<const double> leave_one_out, double confidence) {
  BITLOSS_CHECK(!sorted_resamples.empty() && !leave_one_out.empty());
  BITLOSS_CHECK(confidence > 0 && confidence < 1);
  const auto [first, last] =
      std::equal_range(sorted_resamples.begin(), sorted_resamples.end(), value);
  const double below = static_cast<double>(first - sorted_resamples.begin()) +
                       0.5 * static_cast<double>(last - first);
  const double bias = NormalQuantile(below / static_cast<double>(sorted_resamples.size()));
  if (std::isinf(bias)) return std::nullopt;

  const double acceleration = Acceleration(leave_one_out);
  const double low = bias + NormalQuantile(0.5 - confidence / 2);
  const double high = bias + NormalQuantile(0.5 + confidence / 2);
  if (acceleration * low >= 1 || acceleration * high >= 1) return std::nullopt;
  const auto end = [&](double z) {
    return Quantile(sorted_resamples, NormalCdf(bias + z / (1 - acceleration * z)));
  };
  return Interval{end(low), end(high)};
}

double ExpandedConfidence(double confidence, double clusters) {
  BITLOSS_CHECK(confidence > 0 && confidence < 1 && clusters > 1);
  const double t = StudentTQuantile(0.5 + confidence / 2, clusters - 1);
  return 1 - 2 * NormalCdf(-std::sqrt(clusters / (clusters - 1)) * t);
}

Estimate ClusteredMean(std::span<const UnitSum> units, ThreadPool& threads,
                       const BootstrapOptions& options) {
  return ClusteredMean(std::span<const ClusterSum>(SumByCluster(units)), threads, options);
}

Estimate ClusteredMean(std::span<const ClusterSum> clusters, ThreadPool& threads,
                       const BootstrapOptions& options) {
  Estimate estimate;
  estimate.confidence = options.confidence;
  estimate.num_clusters = clusters.size();
  if (clusters.empty()) {
    estimate.value = std::numeric_limits<double>::quiet_NaN();
    return estimate;
  }
  estimate.effective_clusters = EffectiveClusters(clusters);
  const bool finite =
      std::ranges::all_of(clusters, [](const ClusterSum& c) { return std::isfinite(c.sum); });
  if (!finite) {
    double sum = 0;
    for (const ClusterSum& cluster : clusters) sum += cluster.sum;
    estimate.value = sum;  // divided by any count it is the same
    return estimate;
  }
  estimate.value = RatioOfSums(clusters);
  if (clusters.size() < 2) return estimate;

  const std::vector<double> leave_one_out = LeaveOneOut(clusters);
  const double standard_error = JackknifeStandardError(leave_one_out);
  if (estimate.effective_clusters >= std::max(options.min_effective_clusters, 2.0)) {
    const std::vector<double> resamples = BootstrapRatios(clusters, options, threads);
    const double expanded = ExpandedConfidence(options.confidence, estimate.effective_clusters);
    if (expanded < 1) {
      estimate.interval = BcaInterval(resamples, estimate.value, leave_one_out, expanded);
    }
    estimate.method = IntervalMethod::kBcaBootstrap;
  }
  if (!estimate.interval) {
    estimate.interval = StudentTInterval(estimate.value, standard_error,
                                         estimate.effective_clusters - 1, options.confidence);
    estimate.method = IntervalMethod::kJackknifeT;
  }
  if (estimate.interval) {
    estimate.standard_error = standard_error;
  } else {
    estimate.method = IntervalMethod::kNone;
  }
  return estimate;
}

Estimate PerplexityRatio(const Estimate& mean_loss_difference) {
  Estimate ratio = mean_loss_difference;
  ratio.value = std::exp(ratio.value);
  if (ratio.standard_error) ratio.standard_error = ratio.value * *ratio.standard_error;
  if (ratio.interval) {
    ratio.interval = Interval{std::exp(ratio.interval->low), std::exp(ratio.interval->high)};
  }
  return ratio;
}

}  // namespace bitloss

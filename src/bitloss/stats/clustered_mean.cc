#include "bitloss/stats/clustered_mean.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "bitloss/base/check.h"
#include "bitloss/base/sum.h"
#include "bitloss/stats/distributions.h"
#include "bitloss/stats/positive_mean.h"

namespace bitloss {
namespace {

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

Interval StudentTInterval(double value, double standard_error, double degrees, double confidence) {
  const double t = StudentTQuantile(0.5 + confidence / 2, degrees);
  return {value - t * standard_error, value + t * standard_error};
}

// None where every cluster agrees: their scatter then says nothing.
std::optional<Interval> ShareInterval(double value, double standard_error, double degrees,
                                      double confidence) {
  if (!(value > 0 && value < 1 && standard_error > 0)) return std::nullopt;
  const double logit = std::log(value) - std::log1p(-value);
  const Interval ends =
      StudentTInterval(logit, standard_error / (value * (1 - value)), degrees, confidence);
  const auto share = [](double x) { return 1 / (1 + std::exp(-x)); };
  return Interval{share(ends.low), share(ends.high)};
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

Estimate ClusteredMean(std::span<const UnitSum> units, ThreadPool& threads,
                       const MeanOptions& options) {
  return ClusteredMean(std::span<const ClusterSum>(SumByCluster(units)), threads, options);
}

Estimate ClusteredMean(std::span<const ClusterSum> clusters, ThreadPool& threads,
                       const MeanOptions& options) {
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
  if (clusters.size() < 2 || !EnoughClusters(estimate.effective_clusters)) return estimate;

  const double standard_error = JackknifeStandardError(LeaveOneOut(clusters));
  const double degrees = estimate.effective_clusters - 1;
  switch (options.range) {
    case Range::kAny:
      estimate.interval =
          StudentTInterval(estimate.value, standard_error, degrees, options.confidence);
      estimate.method = IntervalMethod::kJackknifeT;
      break;
    case Range::kShare:
      estimate.interval =
          ShareInterval(estimate.value, standard_error, degrees, options.confidence);
      estimate.method = IntervalMethod::kLogitT;
      break;
    case Range::kPositive:
      estimate.interval = PositiveMeanInterval(clusters, threads, options);
      estimate.method = IntervalMethod::kLogBootstrapT;
      break;
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

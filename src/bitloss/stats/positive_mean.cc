#include "bitloss/stats/positive_mean.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "bitloss/base/check.h"
#include "bitloss/base/sum.h"
#include "bitloss/stats/bootstrap_t.h"
#include "bitloss/stats/distributions.h"

namespace bitloss {
namespace {

// A tail of fewer resamples is not resolved.
constexpr double kResamplesOfATail = 25;

// How far the lower and the upper end lie from the value, in standard errors.
struct Distances {
  double below;
  double above;
};

Distances DistancesOf(std::span<const double> sorted_t, double degrees, double confidence) {
  const double tail = (1 - confidence) / 2;
  const double resolved = kResamplesOfATail / static_cast<double>(sorted_t.size());
  Distances distances{QuantileOfSorted(sorted_t, 1 - std::max(tail, resolved)),
                      -QuantileOfSorted(sorted_t, std::max(tail, resolved))};
  if (tail < resolved) {
    const double student = StudentTQuantile(1 - tail, degrees);
    distances.below = std::max(distances.below, student);
    distances.above = std::max(distances.above, student);
  }
  return distances;
}

// Cox's upper bound of a lognormal mean; none if a cluster's mean is not above 0.
std::optional<double> LognormalBound(std::span<const ClusterSum> clusters, double confidence) {
  std::vector<double> logs;
  for (const ClusterSum& cluster : clusters) {
    if (!(cluster.sum > 0 && cluster.count > 0)) return std::nullopt;
    logs.push_back(std::log(cluster.sum / cluster.count));
  }
  Sum sum;
  for (const double x : logs) sum.Add(x);
  const double mean = sum.Total() / static_cast<double>(logs.size());
  Sum squares;
  for (const double x : logs) squares.Add((x - mean) * (x - mean));
  const double variance = squares.Total() / static_cast<double>(logs.size() - 1);
  const double effective = EffectiveClusters(clusters);
  const double q = StudentTQuantile(0.5 + confidence / 2, effective - 1);
  const double width =
      std::sqrt(variance / effective + variance * variance / (2 * (effective - 1)));
  return std::exp(mean + variance / 2 + q * width);
}

}  // namespace

std::optional<Interval> PositiveMeanInterval(std::span<const ClusterSum> clusters,
                                             ThreadPool& threads, const MeanOptions& options) {
  BITLOSS_CHECK(clusters.size() >= 3);
  const double value = RatioOfSums(clusters);
  if (std::ranges::all_of(clusters, [](const ClusterSum& c) { return c.sum == 0; })) {
    return Interval{0, 0};
  }
  if (!(value > 0)) return std::nullopt;
  const double error = JackknifeStandardError(LeaveOneOut(clusters));
  if (!(error > 0)) return Interval{value, value};
  const std::vector<double> sorted = StudentizedResamples(clusters, Scale::kLog, threads, options);
  if (!EnoughResamples(sorted.size(), options)) return std::nullopt;
  const Distances distances =
      DistancesOf(sorted, EffectiveClusters(clusters) - 1, options.confidence);
  const double high = value * std::exp(distances.above * error / value);
  return Interval{value * std::exp(-distances.below * error / value),
                  std::max(high, LognormalBound(clusters, options.confidence).value_or(high))};
}

}  // namespace bitloss

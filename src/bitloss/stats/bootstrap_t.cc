#include "bitloss/stats/bootstrap_t.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "bitloss/base/check.h"
#include "bitloss/base/random.h"

namespace bitloss {
namespace {

constexpr size_t kResamplesPerPart = 250;
constexpr double kMostWithoutError = 0.1;

std::optional<double> StudentizedLog(std::span<const ClusterSum> drawn, double value) {
  const double ratio = RatioOfSums(drawn);
  if (!(ratio > 0)) return std::nullopt;
  const std::optional<double> t = StudentizedRatio(drawn, value);
  if (!t || ratio == value) return t;
  // t is (ratio - value) / SE: what is wanted is (ln ratio - ln value) ratio / SE.
  return *t * ratio * std::log(ratio / value) / (ratio - value);
}

}  // namespace

double QuantileOfSorted(std::span<const double> sorted, double fraction) {
  BITLOSS_CHECK(!sorted.empty());
  const double rank = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(rank);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], rank - static_cast<double>(below));
}

std::optional<double> StudentizedRatio(std::span<const ClusterSum> drawn, double value) {
  BITLOSS_CHECK(drawn.size() >= 2);
  const bool alike = std::ranges::all_of(drawn, [&](const ClusterSum& cluster) {
    return cluster.sum == drawn[0].sum && cluster.count == drawn[0].count;
  });
  if (alike) return std::nullopt;
  const double error = JackknifeStandardError(LeaveOneOut(drawn));
  if (!(error > 0)) return std::nullopt;
  return (RatioOfSums(drawn) - value) / error;
}

Interval StudentizedInterval(std::span<const double> sorted_t, double value, double standard_error,
                             double confidence) {
  BITLOSS_CHECK(!sorted_t.empty());
  const double tail = (1 - confidence) / 2;
  return {value - QuantileOfSorted(sorted_t, 1 - tail) * standard_error,
          value - QuantileOfSorted(sorted_t, tail) * standard_error};
}

std::vector<double> StudentizedResamples(std::span<const ClusterSum> clusters, Scale scale,
                                         ThreadPool& threads, const MeanOptions& options) {
  const double value = RatioOfSums(clusters);
  const RandomStream random(options.seed, "cluster bootstrap");
  std::vector<std::optional<double>> studentized(options.num_resamples);
  const size_t num_parts = (options.num_resamples + kResamplesPerPart - 1) / kResamplesPerPart;
  threads.ForEachPart(num_parts, [&](size_t part, size_t) {
    std::vector<ClusterSum> drawn(clusters.size());
    const size_t end = std::min((part + 1) * kResamplesPerPart, options.num_resamples);
    for (size_t r = part * kResamplesPerPart; r < end; ++r) {
      uint64_t bits = 0;
      for (uint64_t draw = 0; draw < clusters.size(); ++draw) {
        // Two draws of 32 bits from each 64. The high half of the product is uniform over the
        // clusters, to one part in 2^32 / clusters.
        bits = draw % 2 == 0 ? random.Bits(r, draw / 2) : bits >> 32;
        drawn[draw] = clusters[(bits & 0xFFFFFFFF) * clusters.size() >> 32];
      }
      studentized[r] =
          scale == Scale::kLinear ? StudentizedRatio(drawn, value) : StudentizedLog(drawn, value);
    }
  });
  std::vector<double> sorted;
  for (const std::optional<double>& t : studentized) {
    if (t) sorted.push_back(*t);
  }
  std::ranges::sort(sorted);
  return sorted;
}

bool EnoughResamples(size_t num_studentized, const MeanOptions& options) {
  return static_cast<double>(num_studentized) >=
         static_cast<double>(options.num_resamples) * (1 - kMostWithoutError);
}

std::optional<Interval> BootstrapTInterval(std::span<const ClusterSum> clusters,
                                           ThreadPool& threads, const MeanOptions& options) {
  if (clusters.size() < 3) return std::nullopt;
  const double value = RatioOfSums(clusters);
  const double error = JackknifeStandardError(LeaveOneOut(clusters));
  if (!std::isfinite(value) || !(error > 0)) return std::nullopt;
  const std::vector<double> sorted =
      StudentizedResamples(clusters, Scale::kLinear, threads, options);
  if (!EnoughResamples(sorted.size(), options)) return std::nullopt;
  return StudentizedInterval(sorted, value, error, options.confidence);
}

}  // namespace bitloss

#include "bitloss/stats/clustered_quantile.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "bitloss/base/check.h"
#include "bitloss/base/random.h"
#include "bitloss/stats/distributions.h"

namespace bitloss {
namespace {

constexpr size_t kQuantileResamplesPerPart = 250;
// Ranks at which the clusters' counts are kept: a resample's quantile is found from the nearest
// one.
constexpr size_t kNumCheckpoints = 1024;
constexpr size_t kMinStride = 64;

// The value at rank f (n - 1) of n, linear between neighbours.
template <class At>
double AtRank(double fraction, uint64_t n, const At& at) {
  const double rank = fraction * static_cast<double>(n - 1);
  const auto below = static_cast<uint64_t>(rank);
  const double part = rank - static_cast<double>(below);
  return std::lerp(at(below), part > 0 ? at(below + 1) : at(below), part);
}

// The sorted values with, at every `stride`-th rank, how many of each cluster lie below.
class Sorted {
 public:
  explicit Sorted(std::vector<ClusterValue>& values) : values_(values) {
    std::ranges::sort(values_, [](const ClusterValue& a, const ClusterValue& b) {
      return a.value != b.value ? a.value < b.value : a.cluster < b.cluster;
    });
    std::map<uint32_t, uint32_t> numbers;
    for (const ClusterValue& value : values_) numbers.try_emplace(value.cluster, 0);
    for (uint32_t number = 0; auto& [id, place] : numbers) place = number++;
    stride_ = std::max(kMinStride, values_.size() / kNumCheckpoints);
    counts_.resize(numbers.size());
    for (size_t i = 0; i < values_.size(); ++i) {
      if (i % stride_ == 0) checkpoints_.insert(checkpoints_.end(), counts_.begin(), counts_.end());
      places_.push_back(numbers.at(values_[i].cluster));
      ++counts_[places_.back()];
    }
  }

  size_t num_clusters() const { return counts_.size(); }
  // Tokens of each cluster.
  std::span<const uint32_t> counts() const { return counts_; }
  double Value(size_t rank) const { return values_[rank].value; }
  size_t size() const { return values_.size(); }

  // The value at `rank` of the multiset in which cluster a is there times[a] times.
  double WeightedValue(std::span<const uint32_t> times, uint64_t rank) const {
    // The last checkpoint with at most `rank` values below it.
    size_t low = 0;
    size_t high = checkpoints_.size() / num_clusters();
    uint64_t below = 0;
    while (high - low > 1) {
      const size_t middle = (low + high) / 2;
      const uint64_t count = CountBelow(times, middle);
      if (count <= rank) {
        low = middle;
        below = count;
      } else {
        high = middle;
      }
    }
    for (size_t i = low * stride_; i < values_.size(); ++i) {
      below += times[places_[i]];
      if (below > rank) return values_[i].value;
    }
    BITLOSS_CHECK(false);
  }

 private:
  uint64_t CountBelow(std::span<const uint32_t> times, size_t checkpoint) const {
    const uint32_t* counts = &checkpoints_[checkpoint * num_clusters()];
    uint64_t count = 0;
    for (size_t a = 0; a < times.size(); ++a) count += uint64_t{times[a]} * counts[a];
    return count;
  }

  std::vector<ClusterValue>& values_;
  std::vector<uint32_t> places_;  // of each value's cluster
  std::vector<uint32_t> counts_;
  std::vector<uint32_t> checkpoints_;  // [checkpoint][cluster]
  size_t stride_ = 1;
};

// How often each cluster comes in resample number `resample`.
void Draw(const RandomStream& random, uint64_t resample, std::vector<uint32_t>& times) {
  std::ranges::fill(times, 0);
  uint64_t bits = 0;
  for (uint64_t draw = 0; draw < times.size(); ++draw) {
    bits = draw % 2 == 0 ? random.Bits(resample, draw / 2) : bits >> 32;
    ++times[(bits & 0xFFFFFFFF) * times.size() >> 32];
  }
}

// The quantiles of every resample: [fraction][resample], sorted.
std::vector<std::vector<double>> Resample(const Sorted& sorted, std::span<const double> fractions,
                                          const MeanOptions& options, ThreadPool& threads) {
  const RandomStream random(options.seed, "cluster bootstrap");
  std::vector<std::vector<double>> quantiles(fractions.size(),
                                             std::vector<double>(options.num_resamples));
  const size_t num_parts =
      (options.num_resamples + kQuantileResamplesPerPart - 1) / kQuantileResamplesPerPart;
  threads.ForEachPart(num_parts, [&](size_t part, size_t) {
    std::vector<uint32_t> times(sorted.num_clusters());
    const size_t end = std::min((part + 1) * kQuantileResamplesPerPart, options.num_resamples);
    for (size_t r = part * kQuantileResamplesPerPart; r < end; ++r) {
      Draw(random, r, times);
      uint64_t n = 0;
      for (size_t a = 0; a < times.size(); ++a) n += uint64_t{times[a]} * sorted.counts()[a];
      for (size_t f = 0; f < fractions.size(); ++f) {
        quantiles[f][r] = AtRank(fractions[f], n,
                                 [&](uint64_t rank) { return sorted.WeightedValue(times, rank); });
      }
    }
  });
  for (std::vector<double>& one : quantiles) std::ranges::sort(one);
  return quantiles;
}

double EffectiveClusters(std::span<const uint32_t> counts) {
  double sum = 0;
  double squares = 0;
  for (const uint32_t count : counts) {
    sum += count;
    squares += static_cast<double>(count) * count;
  }
  return sum * sum / squares;
}

}  // namespace

double ExpandedConfidence(double confidence, double clusters) {
  BITLOSS_CHECK(confidence > 0 && confidence < 1 && clusters > 1);
  const double t = StudentTQuantile(0.5 + confidence / 2, clusters - 1);
  return 1 - 2 * NormalCdf(-std::sqrt(clusters / (clusters - 1)) * t);
}

std::vector<Estimate> ClusteredQuantiles(std::vector<ClusterValue>& values,
                                         std::span<const double> fractions, ThreadPool& threads,
                                         const MeanOptions& options) {
  BITLOSS_CHECK(!values.empty());
  const Sorted sorted(values);
  Estimate common;
  common.confidence = options.confidence;
  common.num_clusters = sorted.num_clusters();
  common.effective_clusters = EffectiveClusters(sorted.counts());
  std::vector<Estimate> estimates(fractions.size(), common);
  for (size_t f = 0; f < fractions.size(); ++f) {
    estimates[f].value =
        AtRank(fractions[f], sorted.size(), [&](uint64_t rank) { return sorted.Value(rank); });
  }
  if (common.effective_clusters < kMinEffectiveClustersOfQuantiles) return estimates;
  const double confidence = ExpandedConfidence(options.confidence, common.effective_clusters);
  const std::vector<std::vector<double>> resamples = Resample(sorted, fractions, options, threads);
  for (size_t f = 0; f < fractions.size(); ++f) {
    const auto end = [&](double fraction) {
      return AtRank(fraction, resamples[f].size(),
                    [&](uint64_t rank) { return resamples[f][rank]; });
    };
    estimates[f].interval = Interval{end(0.5 - confidence / 2), end(0.5 + confidence / 2)};
    estimates[f].method = IntervalMethod::kPercentileBootstrap;
  }
  return estimates;
}

}  // namespace bitloss

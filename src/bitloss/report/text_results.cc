#include "bitloss/report/text_results.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numbers>

#include "bitloss/base/check.h"
#include "bitloss/base/hash.h"
#include "bitloss/base/sum.h"
#include "bitloss/stats/bootstrap_t.h"
#include "bitloss/stats/clustered_mean.h"
#include "bitloss/stats/clustered_quantile.h"

namespace bitloss {
namespace {

// Fewer values than this do not have a 99.9th percentile worth printing.
constexpr size_t kMinValuesForP999 = 20'000;

// Of DivergenceSummary: median, p90, p95, p99, p99.9, max.
constexpr double kFractions[] = {0.5, 0.9, 0.95, 0.99, 0.999, 1};

// How a unit enters its protocol's mean: sum_u scale * (sum of losses) / sum_u denominator.
struct UnitShare {
  double scale = 0.0;
  double denominator = 0.0;
};

UnitShare ShareOf(const TextUnit& unit, bool per_word) {
  if (unit.num_scored == 0) return {};
  if (per_word) return {1.0, static_cast<double>(unit.num_words.value_or(0))};
  return {unit.weight / unit.num_scored, unit.weight};
}

// The sum of finite values; infinite as soon as one is.
double TotalOf(std::span<const double> values) {
  Sum sum;
  for (const double value : values) {
    if (!std::isfinite(value)) return std::numeric_limits<double>::infinity();
    sum.Add(value);
  }
  return sum.Total();
}

// Adds numbers of which some may be infinite.
class Total {
 public:
  void Add(double value) {
    if (std::isfinite(value)) {
      finite_.Add(value);
    } else {
      infinite_ = true;
    }
  }
  double value() const {
    return infinite_ ? std::numeric_limits<double>::infinity() : finite_.Total();
  }

 private:
  Sum finite_;
  bool infinite_ = false;
};

void AddLosses(const ProtocolScores& scores, const LaneUnits& lane, TextResult& result) {
  Total weighted;
  Total plain;
  Sum denominator;
  uint64_t num_bytes = 0;
  for (size_t u = 0; u < lane.size(); ++u) {
    const TextUnit& unit = scores.units[u];
    if (!lane[u] || lane[u]->nll.empty()) continue;
    const double total = TotalOf(lane[u]->nll);
    const UnitShare share = ShareOf(unit, result.per_word);
    weighted.Add(share.scale * total);
    plain.Add(total);
    denominator.Add(share.denominator);
    num_bytes += unit.num_bytes.value_or(0);
  }
  result.nll = weighted.value() / denominator.Total();
  result.perplexity = std::exp(result.nll);
  if (num_bytes > 0) {
    const double nats_per_byte = plain.value() / static_cast<double>(num_bytes);
    result.byte_perplexity = std::exp(nats_per_byte);
    result.bits_per_byte = nats_per_byte / std::numbers::ln2;
  }
}

// From the sums of whole clusters of this lane alone.
void AddPerplexityInterval(const ProtocolScores& scores, const LaneUnits& lane, ThreadPool& threads,
                           TextResult& result) {
  std::map<uint32_t, ClusterSum> clusters;
  for (size_t u = 0; u < lane.size(); ++u) {
    const TextUnit& unit = scores.units[u];
    if (!lane[u] || lane[u]->nll.empty()) continue;
    const UnitShare share = ShareOf(unit, result.per_word);
    size_t begin = 0;
    for (const ClusterRun& run : unit.clusters) {
      const std::span nll = std::span(lane[u]->nll).subspan(begin, run.num_scored);
      ClusterSum& cluster = clusters.try_emplace(run.cluster, ClusterSum{0, 0}).first->second;
      cluster.sum += share.scale * TotalOf(nll);
      cluster.count += share.denominator * run.num_scored / unit.num_scored;
      begin += run.num_scored;
    }
  }
  std::vector<ClusterSum> sums;
  for (const auto& [id, cluster] : clusters) {
    if (cluster.count > 0) sums.push_back(cluster);
  }
  if (sums.empty()) return;
  const Estimate nll = ClusteredMean(std::span<const ClusterSum>(sums), threads);
  result.perplexity_interval = PerplexityRatio(nll).interval;
}

void AddEntropy(const LaneUnits& lane, TextResult& result) {
  Sum sum;
  uint64_t count = 0;
  for (const auto& unit : lane) {
    if (!unit) continue;
    for (const double entropy : unit->entropy) sum.Add(entropy);
    count += unit->entropy.size();
  }
  if (count > 0) result.mean_entropy = sum.Total() / static_cast<double>(count);
}

// Calls visit(unit, cluster, begin, end) for each run of scored tokens of the units that both have.
template <class Visit>
void ForEachSharedRun(const ProtocolScores& scores, const LaneUnits& lane, const Visit& visit) {
  for (size_t u = 0; u < lane.size(); ++u) {
    if (!lane[u] || !scores.baseline[u]) continue;
    size_t begin = 0;
    for (const ClusterRun& run : scores.units[u].clusters) {
      visit(u, run.cluster, begin, begin + run.num_scored);
      begin += run.num_scored;
    }
  }
}

// Every cluster's sums of what the two lanes share. The difference of losses has the protocol's own
// weights, so that exp(delta_nll) is exactly the ratio of the perplexities.
std::vector<ClusterScores> SumClusters(const ProtocolScores& scores, const LaneUnits& lane,
                                       bool per_word) {
  struct Sums {
    Sum delta;
    Sum weight;
    Sum kl;
    uint64_t num_kl = 0;
    uint64_t num_agreements = 0;
  };
  std::map<uint32_t, Sums> by_cluster;
  ForEachSharedRun(scores, lane, [&](size_t u, uint32_t cluster, size_t begin, size_t end) {
    const std::vector<double>& ours = lane[u]->nll;
    const std::vector<double>& base = scores.baseline[u]->nll;
    const std::vector<double>& kl = lane[u]->kl;
    Sums& sums = by_cluster[cluster];
    if (!ours.empty() && !base.empty()) {
      const TextUnit& unit = scores.units[u];
      const UnitShare share = ShareOf(unit, per_word);
      for (size_t t = begin; t < end; ++t) sums.delta.Add(share.scale * (ours[t] - base[t]));
      sums.weight.Add(share.denominator * static_cast<double>(end - begin) / unit.num_scored);
    }
    if (kl.empty()) return;
    for (size_t t = begin; t < end; ++t) sums.kl.Add(kl[t]);
    sums.num_kl += end - begin;
    const std::vector<uint8_t>& agrees = lane[u]->top1_agrees;
    for (size_t t = begin; t < end && t < agrees.size(); ++t) sums.num_agreements += agrees[t];
  });
  std::vector<ClusterScores> clusters;
  for (const auto& [cluster, sums] : by_cluster) {
    clusters.push_back({cluster, sums.delta.Total(), sums.weight.Total(), sums.kl.Total(),
                        static_cast<double>(sums.num_kl),
                        static_cast<double>(sums.num_agreements)});
  }
  return clusters;
}

Estimate ToPercent(const Estimate& delta) {
  Estimate percent = PerplexityRatio(delta);
  // expm1: a change of 1e-9 keeps its digits.
  percent.value = 100 * std::expm1(delta.value);
  if (percent.standard_error) *percent.standard_error *= 100;
  if (delta.interval) {
    percent.interval =
        Interval{100 * std::expm1(delta.interval->low), 100 * std::expm1(delta.interval->high)};
  }
  return percent;
}

// One array of every shared unit: all values, and their sums by run.
struct Gathered {
  std::vector<double> values;
  std::vector<UnitSum> runs;
};

template <class Array>
Gathered Gather(const ProtocolScores& scores, const LaneUnits& lane, Array TokenScores::*array) {
  Gathered gathered;
  ForEachSharedRun(scores, lane, [&](size_t u, uint32_t cluster, size_t begin, size_t end) {
    const Array& values = (*lane[u]).*array;
    if (values.empty()) return;
    Sum sum;
    for (size_t t = begin; t < end; ++t) {
      gathered.values.push_back(static_cast<double>(values[t]));
      sum.Add(gathered.values.back());
    }
    gathered.runs.push_back({cluster, sum.Total(), end - begin});
  });
  return gathered;
}

void AddComparison(const ProtocolScores& scores, const LaneUnits& lane, ThreadPool& threads,
                   TextResult& result) {
  result.clusters = SumClusters(scores, lane, result.per_word);
  if (const std::vector<ClusterSum> clusters = DeltaClusters(result); !clusters.empty()) {
    result.delta_nll = ClusteredMean(std::span<const ClusterSum>(clusters), threads);
    if (result.delta_nll->method == IntervalMethod::kJackknifeT) {
      result.delta_nll_check = BootstrapTInterval(clusters, threads);
    }
  }
  if (result.delta_nll) result.change_percent = ToPercent(*result.delta_nll);
  if (const Gathered kl = Gather(scores, lane, &TokenScores::kl); !kl.values.empty()) {
    result.kl = SummarizeDivergence(kl.values, kl.runs, threads);
  }
  if (const auto reverse = Gather(scores, lane, &TokenScores::kl_reverse);
      !reverse.values.empty()) {
    result.kl_reverse = ClusteredMean(reverse.runs, threads);
  }
  if (const auto agrees = Gather(scores, lane, &TokenScores::top1_agrees); !agrees.values.empty()) {
    result.top1_agreement = ClusteredMean(agrees.runs, threads);
  }
  result.bands = MeasureBands(scores, lane, threads);
}

}  // namespace

bool ProtocolScores::per_word() const {
  return std::ranges::any_of(units,
                             [](const TextUnit& unit) { return unit.num_words.has_value(); });
}

std::vector<ClusterSum> DeltaClusters(const TextResult& text) {
  std::vector<ClusterSum> clusters;
  for (const ClusterScores& cluster : text.clusters) {
    if (cluster.delta_nll_weight > 0) {
      clusters.push_back({cluster.delta_nll_sum, cluster.delta_nll_weight});
    }
  }
  return clusters;
}

std::optional<std::vector<ClusterSum>> KlAboveFloor(const TextResult& text,
                                                    const TextResult& control) {
  if (text.clusters.size() != control.clusters.size()) return std::nullopt;
  std::vector<ClusterSum> clusters;
  for (size_t i = 0; i < text.clusters.size(); ++i) {
    const ClusterScores& ours = text.clusters[i];
    const ClusterScores& floor = control.clusters[i];
    if (ours.cluster != floor.cluster || ours.kl_tokens != floor.kl_tokens) return std::nullopt;
    if (ours.kl_tokens > 0) clusters.push_back({ours.kl_sum - floor.kl_sum, ours.kl_tokens});
  }
  return clusters;
}

std::optional<TextResult> MeasureText(const ProtocolScores& scores, const LaneUnits& lane,
                                      ThreadPool& threads) {
  BITLOSS_CHECK(lane.size() == scores.units.size());
  TextResult result;
  result.protocol = scores.protocol;
  result.per_word = scores.per_word();
  std::string token_hashes;
  for (size_t u = 0; u < lane.size(); ++u) {
    if (!lane[u]) continue;
    token_hashes += scores.units[u].token_hash + "\n";
    result.num_sequences += 1;
    result.num_tokens += scores.units[u].num_tokens;
    result.num_predictions += scores.units[u].num_scored;
  }
  if (result.num_predictions == 0) return std::nullopt;
  result.complete = result.num_sequences == scores.num_units;
  result.tokens_hash = Sha256Hex(token_hashes);
  AddLosses(scores, lane, result);
  AddPerplexityInterval(scores, lane, threads, result);
  AddEntropy(lane, result);
  if (&lane != &scores.baseline) AddComparison(scores, lane, threads, result);
  return result;
}

DivergenceSummary SummarizeDivergence(std::span<const double> values,
                                      std::span<const UnitSum> units, ThreadPool& threads) {
  std::vector<ClusterValue> of_clusters;
  of_clusters.reserve(values.size());
  for (size_t next = 0; const UnitSum& unit : units) {
    for (uint64_t i = 0; i < unit.count; ++i) of_clusters.push_back({values[next++], unit.cluster});
  }
  const std::vector<Estimate> q = ClusteredQuantiles(of_clusters, kFractions, threads);
  DivergenceSummary summary{.mean = ClusteredMean(units, threads),
                            .median = q[0].value,
                            .p90 = q[1].value,
                            .p95 = q[2].value,
                            .p99 = q[3].value,
                            .max = q[5].value,
                            .median_interval = q[0].interval,
                            .p90_interval = q[1].interval,
                            .p95_interval = q[2].interval,
                            .p99_interval = q[3].interval};
  if (values.size() >= kMinValuesForP999) {
    summary.p999 = q[4].value;
    summary.p999_interval = q[4].interval;
  }
  return summary;
}

}  // namespace bitloss

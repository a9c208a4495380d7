#include "bitloss/report/text_results.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numbers>

#include "bitloss/base/check.h"
#include "bitloss/base/hash.h"
#include "bitloss/base/sum.h"
#include "bitloss/report/unit_shares.h"
#include "bitloss/stats/bootstrap_t.h"
#include "bitloss/stats/clustered_mean.h"
#include "bitloss/stats/clustered_quantile.h"

namespace bitloss {
namespace {

// Fewer values than this do not have a 99.9th percentile worth printing.
constexpr size_t kMinValuesForP999 = 20'000;

// With fewer effective clusters a difference of losses has bootstrap-t's interval beside its own.
constexpr double kFewClusters = 30;

// Of DivergenceSummary: median, p90, p95, p99, p99.9, max.
constexpr double kFractions[] = {0.5, 0.9, 0.95, 0.99, 0.999, 1};

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

using Shares = std::span<const UnitShare>;  // by place in ProtocolScores::units

void AddLosses(Shares shares, const LaneUnits& lane, TextResult& result) {
  Total loss;
  Sum denominator;
  Sum num_bytes;
  for (size_t u = 0; u < lane.size(); ++u) {
    if (!lane[u] || lane[u]->nll.empty() || shares[u].scale == 0) continue;
    loss.Add(shares[u].scale * TotalOf(lane[u]->nll));
    denominator.Add(shares[u].denominator);
    num_bytes.Add(shares[u].bytes);
  }
  result.nll = loss.value() / denominator.Total();
  result.perplexity = std::exp(result.nll);
  if (num_bytes.Total() > 0) {
    const double nats_per_byte = loss.value() / num_bytes.Total();
    result.byte_perplexity = std::exp(nats_per_byte);
    result.bits_per_byte = nats_per_byte / std::numbers::ln2;
  }
}

bool HasShare(Shares shares, const LaneUnits& lane) {
  for (size_t u = 0; u < lane.size(); ++u) {
    if (lane[u] && shares[u].scale != 0) return true;
  }
  return false;
}

// From the sums of whole clusters of this lane alone.
void AddPerplexityInterval(const ProtocolScores& scores, Shares shares, const LaneUnits& lane,
                           ThreadPool& threads, TextResult& result) {
  std::map<uint32_t, ClusterSum> clusters;
  for (size_t u = 0; u < lane.size(); ++u) {
    const TextUnit& unit = scores.units[u];
    if (!lane[u] || lane[u]->nll.empty()) continue;
    size_t begin = 0;
    for (const ClusterRun& run : unit.clusters) {
      const std::span nll = std::span(lane[u]->nll).subspan(begin, run.num_scored);
      ClusterSum& cluster = clusters.try_emplace(run.cluster, ClusterSum{0, 0}).first->second;
      if (shares[u].scale != 0) cluster.sum += shares[u].scale * TotalOf(nll);
      cluster.count += shares[u].denominator * run.num_scored / unit.num_scored;
      begin += run.num_scored;
    }
  }
  std::vector<ClusterSum> sums;
  for (const auto& [id, cluster] : clusters) {
    if (cluster.count != 0 || cluster.sum != 0) sums.push_back(cluster);
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
std::vector<ClusterScores> SumClusters(const ProtocolScores& scores, Shares shares,
                                       const LaneUnits& lane) {
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
      const UnitShare& share = shares[u];
      for (size_t t = begin; t < end; ++t) sums.delta.Add(share.scale * (ours[t] - base[t]));
      sums.weight.Add(share.denominator * static_cast<double>(end - begin) /
                      scores.units[u].num_scored);
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

void AddComparison(const ProtocolScores& scores, Shares shares, const LaneUnits& lane,
                   ThreadPool& threads, TextResult& result) {
  result.clusters = SumClusters(scores, shares, lane);
  if (const std::vector<ClusterSum> clusters = DeltaClusters(result); !clusters.empty()) {
    result.delta_nll = ClusteredMean(std::span<const ClusterSum>(clusters), threads);
    if (result.delta_nll->interval && result.delta_nll->effective_clusters < kFewClusters) {
      result.delta_nll_check = BootstrapTInterval(clusters, threads);
    }
  }
  if (result.delta_nll) result.change_percent = ToPercent(*result.delta_nll);
  if (const Gathered kl = Gather(scores, lane, &TokenScores::kl); !kl.values.empty()) {
    result.kl = SummarizeDivergence(kl.values, kl.runs, threads);
  }
  if (const auto reverse = Gather(scores, lane, &TokenScores::kl_reverse);
      !reverse.values.empty()) {
    result.kl_reverse = ClusteredMean(reverse.runs, threads, {.range = Range::kPositive});
  }
  if (const auto agrees = Gather(scores, lane, &TokenScores::top1_agrees); !agrees.values.empty()) {
    result.top1_agreement = ClusteredMean(agrees.runs, threads, {.range = Range::kShare});
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
    if (cluster.delta_nll_weight != 0 || cluster.delta_nll_sum != 0) {
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

Status CheckConsistent(const TextResult& baseline, const TextResult& text) {
  // Sums over tokens and sums over clusters differ by their rounding, no more.
  constexpr double kTolerance = 1e-8;
  if (const auto& interval = text.perplexity_interval; interval && std::isfinite(text.perplexity)) {
    const double slack = kTolerance * text.perplexity;
    if (!(interval->low <= text.perplexity + slack && text.perplexity <= interval->high + slack)) {
      return BadInput(
          "perplexity {} is outside its own interval [{}, {}]: the study's records contradict each "
          "other; run it again in a new folder",
          text.perplexity, interval->low, interval->high);
    }
  }
  const double ratio = text.nll - baseline.nll;
  const bool same_tokens = text.tokens_hash == baseline.tokens_hash;
  if (!text.delta_nll || !same_tokens || !std::isfinite(ratio)) return Ok();
  if (!(std::abs(text.delta_nll->value - ratio) <= kTolerance * (1 + std::abs(text.nll)))) {
    return BadInput(
        "perplexity {} over the baseline's {} is a change of {:+.4f}%, but the losses of the same "
        "tokens say {:+.4f}%: the study's records contradict each other; run it again in a new "
        "folder",
        text.perplexity, baseline.perplexity, 100 * std::expm1(ratio),
        100 * std::expm1(text.delta_nll->value));
  }
  return Ok();
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
  // How many there will be of a study of another program's logits, nobody says beforehand.
  result.complete = scores.num_units == 0 || result.num_sequences == scores.num_units;
  result.tokens_hash = Sha256Hex(token_hashes);
  const std::vector<UnitShare> shares = result.per_word
                                            ? SharesOfWords(scores.units, scores.num_units)
                                            : SharesOfTokens(scores.units);
  // Of rolling-doc while no document is whole.
  if (!HasShare(shares, lane)) return std::nullopt;
  AddLosses(shares, lane, result);
  AddPerplexityInterval(scores, shares, lane, threads, result);
  AddEntropy(lane, result);
  if (&lane != &scores.baseline) AddComparison(scores, shares, lane, threads, result);
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
  DivergenceSummary summary{.mean = ClusteredMean(units, threads, {.range = Range::kPositive}),
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

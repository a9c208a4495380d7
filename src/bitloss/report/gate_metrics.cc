#include "bitloss/report/gate_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "bitloss/report/numbers.h"
#include "bitloss/report/text_results.h"
#include "bitloss/stats/paired_outcomes.h"
#include "bitloss/stats/proportion.h"

namespace bitloss {
namespace {

using Place = GateMetric::Place;
using Side = GateMetric::Side;

std::string Sample(size_t count, std::string_view kind) {
  return fmt::format("{} {}{}", count, kind, kind.ends_with('s') ? "" : "s");
}

Result<Measured> FromClusters(std::span<const ClusterSum> clusters, std::string_view kind,
                              const MeanOptions& options, ThreadPool& threads) {
  if (clusters.empty()) return BadInput("no token was scored in both lanes");
  const Estimate estimate = ClusteredMean(clusters, threads, options);
  if (!estimate.interval) return BadInput("{}", WhyNoInterval(estimate, kind));
  return Measured{estimate.value, *estimate.interval, Sample(clusters.size(), kind)};
}

std::string_view ClusterKind(const GateSubject& subject) {
  return subject.report.manifest.protocols[subject.text->protocol].cluster_kind;
}

// In the protocol's own weights: of one that counts words, nats a word.
Result<Measured> WeightedDelta(const GateSubject& subject, double confidence, ThreadPool& threads) {
  return FromClusters(DeltaClusters(*subject.text), ClusterKind(subject),
                      {.confidence = confidence}, threads);
}

// Bounds are in nats a token, so this is too, also where the protocol counts words.
Result<Measured> DeltaNll(const GateSubject& subject, double confidence, ThreadPool& threads) {
  if (!subject.text->per_word) return WeightedDelta(subject, confidence, threads);
  std::vector<ClusterSum> clusters;
  for (const ClusterScores& cluster : subject.text->clusters) {
    if (cluster.kl_tokens > 0) clusters.push_back({cluster.delta_nll_sum, cluster.kl_tokens});
  }
  return FromClusters(clusters, ClusterKind(subject), {.confidence = confidence}, threads);
}

Result<Measured> PerplexityChange(const GateSubject& subject, double confidence,
                                  ThreadPool& threads) {
  BITLOSS_TRY(Measured measured, WeightedDelta(subject, confidence, threads));
  for (double* number : {&measured.value, &measured.interval.low, &measured.interval.high}) {
    *number = 100 * std::expm1(*number);
  }
  return measured;
}

// Sums of one member over the clusters that have a divergence.
std::vector<ClusterSum> TokenClusters(const TextResult& text, double ClusterScores::*sum) {
  std::vector<ClusterSum> clusters;
  for (const ClusterScores& cluster : text.clusters) {
    if (cluster.kl_tokens > 0) clusters.push_back({cluster.*sum, cluster.kl_tokens});
  }
  return clusters;
}

Result<Measured> Kl(const GateSubject& subject, double confidence, ThreadPool& threads) {
  return FromClusters(TokenClusters(*subject.text, &ClusterScores::kl_sum), ClusterKind(subject),
                      {.confidence = confidence, .range = Range::kPositive}, threads);
}

Result<Measured> KlAboveTheFloor(const GateSubject& subject, double confidence,
                                 ThreadPool& threads) {
  const std::optional<NoiseFloor>& floor = subject.text->floor;
  if (!floor) return BadInput("the study has no A/A control; add the scheme control-bf16");
  const LaneResult& control = subject.report.lanes[floor->lane];
  const auto found =
      std::ranges::find(control.texts, subject.text->protocol, &TextResult::protocol);
  const auto clusters = KlAboveFloor(*subject.text, *found);
  if (!clusters) return BadInput("the control was not measured on the same tokens");
  return FromClusters(*clusters, ClusterKind(subject), {.confidence = confidence}, threads);
}

Result<Measured> Top1Agreement(const GateSubject& subject, double confidence, ThreadPool& threads) {
  return FromClusters(TokenClusters(*subject.text, &ClusterScores::top1_agreements),
                      ClusterKind(subject), {.confidence = confidence, .range = Range::kShare},
                      threads);
}

Result<Measured> Share(uint64_t part, uint64_t whole, double confidence) {
  if (whole == 0) return BadInput("no prompt has a check in both lanes");
  return Measured{static_cast<double>(part) / static_cast<double>(whole),
                  WilsonInterval(part, whole, confidence), Sample(whole, "prompt")};
}

// Of a suite on which the baseline has something to lose.
Result<Measured> PassDrop(const GateSubject& subject, double confidence, ThreadPool&) {
  const PromptCounts& counts = subject.suite->counts;
  if (counts.num_compared == 0) return BadInput("no prompt has a check in both lanes");
  if (!counts.CanShowRegressions()) {
    return BadInput("the baseline passes {} of {} prompts: too few for a loss to show",
                    counts.num_baseline_passed, counts.num_compared);
  }
  PairedTable table;
  table.base_only = counts.num_regressions;
  table.lane_only = counts.num_recoveries;
  table.both = counts.num_baseline_passed - counts.num_regressions;
  table.neither = counts.num_compared - table.base_only - table.lane_only - table.both;
  const Interval change = TangoInterval(table, confidence);
  return Measured{
      -NetChange(table), {-change.high, -change.low}, Sample(counts.num_compared, "prompt")};
}

Result<Measured> RegressionRate(const GateSubject& subject, double confidence, ThreadPool&) {
  const PromptCounts& counts = subject.suite->counts;
  return Share(counts.num_regressions, counts.num_baseline_passed, confidence);
}

Result<Measured> Identical(const GateSubject& subject, double confidence, ThreadPool&) {
  const PromptCounts& counts = subject.suite->counts;
  return Share(counts.num_identical, counts.num_prompts, confidence);
}

Result<Measured> AnswerKl(const GateSubject& subject, double confidence, ThreadPool& threads) {
  std::vector<ClusterSum> clusters;
  for (const AnswerResult& answer : subject.suite->answers) {
    if (!answer.mean_kl) continue;
    const auto count = static_cast<double>(answer.num_kl_tokens);
    clusters.push_back({*answer.mean_kl * count, count});
  }
  return FromClusters(clusters, "prompt", {.confidence = confidence, .range = Range::kPositive},
                      threads);
}

// Of a size; 0 is one that the study does not know.
Result<Measured> Fact(double value) {
  if (value == 0) return BadInput("the study does not say this lane's size");
  return Measured{value, {value, value}, ""};
}

Result<Measured> BitsPerWeight(const GateSubject& subject, double, ThreadPool&) {
  return Fact(subject.lane.record.bits_per_weight);
}

Result<Measured> WeightMegabytes(const GateSubject& subject, double, ThreadPool&) {
  return Fact(static_cast<double>(subject.lane.record.weight_bytes) / 1e6);
}

constexpr std::array kMetrics = {
    GateMetric{"delta_nll", "nats/token", Place::kText, Side::kAtMost,
               "loss of the lane minus that of the baseline; 0.05 is 5% of perplexity", DeltaNll},
    GateMetric{"perplexity_change_percent", "%", Place::kText, Side::kAtMost,
               "the same as a change of perplexity", PerplexityChange},
    GateMetric{"kl", "nats/token", Place::kText, Side::kAtMost, "mean KL from the baseline", Kl},
    GateMetric{"kl_above_floor", "nats/token", Place::kText, Side::kAtMost,
               "mean KL minus that of the study's A/A control", KlAboveTheFloor},
    GateMetric{"top1_agreement", "share", Place::kText, Side::kAtLeast,
               "tokens whose most likely successor is the baseline's", Top1Agreement},
    GateMetric{"pass_drop", "share", Place::kSuite, Side::kAtMost,
               "prompts that the baseline passes, minus those that the lane passes", PassDrop},
    GateMetric{"regression_rate", "share", Place::kSuite, Side::kAtMost,
               "of the prompts that the baseline passes, those that the lane does not",
               RegressionRate},
    GateMetric{"identical", "share", Place::kSuite, Side::kAtLeast,
               "answers with the baseline's tokens", Identical},
    GateMetric{"answer_kl", "nats/token", Place::kSuite, Side::kAtMost,
               "mean KL on the baseline's own answers", AnswerKl},
    GateMetric{"bits_per_weight", "bits", Place::kLane, Side::kAtMost,
               "of all weights as stored; a fact, without an interval", BitsPerWeight},
    GateMetric{"weight_megabytes", "MB", Place::kLane, Side::kAtMost,
               "of all weights as stored, 10^6 bytes", WeightMegabytes},
};

}  // namespace

std::span<const GateMetric> GateMetrics() { return kMetrics; }

const GateMetric* FindGateMetric(std::string_view name) {
  const auto found = std::ranges::find(kMetrics, name, &GateMetric::name);
  return found == kMetrics.end() ? nullptr : &*found;
}

}  // namespace bitloss

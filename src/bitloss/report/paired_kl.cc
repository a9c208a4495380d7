#include "bitloss/report/paired_kl.h"

#include <algorithm>
#include <map>

#include "bitloss/stats/clustered_mean.h"

namespace bitloss {
namespace {

// What is summed of one cluster of a lane: its KL and over how many tokens.
using SumsByCluster = std::map<size_t, ClusterSum>;

SumsByCluster KlSums(const ReportData& report, const LaneResult& lane) {
  SumsByCluster sums;
  if (!report.manifest.protocols.empty()) {
    const auto text = std::ranges::find(lane.texts, size_t{0}, &TextResult::protocol);
    if (text == lane.texts.end()) return sums;
    for (const ClusterScores& cluster : text->clusters) {
      if (cluster.kl_tokens > 0) sums[cluster.cluster] = {cluster.kl_sum, cluster.kl_tokens};
    }
    return sums;
  }
  const auto suite = std::ranges::find(lane.suites, size_t{0}, &SuiteResult::suite);
  if (suite == lane.suites.end()) return sums;
  for (const AnswerResult& answer : suite->answers) {
    if (!answer.mean_kl) continue;
    const auto count = static_cast<double>(answer.num_kl_tokens);
    sums[answer.answer.prompt] = {*answer.mean_kl * count, count};
  }
  return sums;
}

}  // namespace

std::string KlMeasure(const ReportData& report) {
  const std::string& baseline = report.lanes[0].record.scheme;
  const char* of = report.manifest.protocols.empty() ? "of answers " : "";
  return "mean KL " + std::string(of) + "from " + baseline + ", nats/token";
}

const Estimate* KlOf(const ReportData& report, const LaneResult& lane) {
  if (!report.manifest.protocols.empty()) {
    const auto text = std::ranges::find(lane.texts, size_t{0}, &TextResult::protocol);
    return text == lane.texts.end() || !text->kl ? nullptr : &text->kl->mean;
  }
  const auto suite = std::ranges::find(lane.suites, size_t{0}, &SuiteResult::suite);
  return suite == lane.suites.end() || !suite->counts.answer_kl ? nullptr
                                                                : &*suite->counts.answer_kl;
}

bool IsCompared(const ReportData& report, const LaneResult& lane) {
  if (lane.record.baseline || lane.record.control || lane.error) return false;
  const Estimate* kl = KlOf(report, lane);
  return kl != nullptr && kl->value > 0;
}

std::optional<Estimate> PairedKlDifference(const ReportData& report, const LaneResult& a,
                                           const LaneResult& b, double confidence) {
  const SumsByCluster ours = KlSums(report, a);
  const SumsByCluster theirs = KlSums(report, b);
  std::vector<ClusterSum> differences;
  for (const auto& [cluster, sums] : ours) {
    const auto other = theirs.find(cluster);
    if (other == theirs.end() || other->second.count != sums.count) continue;
    differences.push_back({sums.sum - other->second.sum, sums.count});
  }
  if (differences.empty()) return std::nullopt;
  ThreadPool one(1);  // the interval of a difference draws no resamples
  return ClusteredMean(std::span<const ClusterSum>(differences), one, {.confidence = confidence});
}

}  // namespace bitloss

#include "bitloss/report/pareto.h"

#include <algorithm>
#include <map>

#include "bitloss/stats/clustered_mean.h"

namespace bitloss {
namespace {

std::optional<double> CostOf(const LaneResult& lane, Cost cost) {
  if (cost == Cost::kDecodeSpeed) return lane.decode_tokens_per_second;
  if (lane.record.weight_bytes == 0) return std::nullopt;
  return static_cast<double>(lane.record.weight_bytes) / 1e6;
}

bool CostsNoMore(const ParetoPoint& a, const ParetoPoint& b, Cost cost) {
  return cost == Cost::kBytes ? a.cost <= b.cost : a.cost >= b.cost;
}

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

// Whether the data show a's divergence to be the lower one.
bool ShownLower(const ReportData& report, const ParetoPoint& a, const ParetoPoint& b) {
  const auto difference = PairedKlDifference(report, report.lanes[a.lane], report.lanes[b.lane]);
  return difference && difference->interval && difference->interval->high < 0;
}

void Compare(const ReportData& report, std::vector<ParetoPoint>& points, Cost cost) {
  for (ParetoPoint& point : points) {
    const ParetoPoint* best = nullptr;
    for (const ParetoPoint& other : points) {
      if (other.lane == point.lane) continue;
      if (ShownLower(report, other, point)) {
        const bool closer = best == nullptr || other.kl.value < best->kl.value;
        if (CostsNoMore(other, point, cost) && closer) best = &other;
      } else if (!ShownLower(report, point, other)) {
        point.tied_with.push_back(other.lane);
      }
    }
    if (best != nullptr) point.dominated_by = best->lane;
  }
}

}  // namespace

std::optional<Estimate> PairedKlDifference(const ReportData& report, const LaneResult& a,
                                           const LaneResult& b) {
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
  return ClusteredMean(std::span<const ClusterSum>(differences), one);
}

std::string ParetoMeasure(const ReportData& report) {
  const std::string& baseline = report.lanes[0].record.scheme;
  const char* of = report.manifest.protocols.empty() ? "of answers " : "";
  return "mean KL " + std::string(of) + "from " + baseline + ", nats/token";
}

const Estimate* ParetoKl(const ReportData& report, const LaneResult& lane) {
  if (!report.manifest.protocols.empty()) {
    const auto text = std::ranges::find(lane.texts, size_t{0}, &TextResult::protocol);
    return text == lane.texts.end() || !text->kl ? nullptr : &text->kl->mean;
  }
  const auto suite = std::ranges::find(lane.suites, size_t{0}, &SuiteResult::suite);
  return suite == lane.suites.end() || !suite->counts.answer_kl ? nullptr
                                                                : &*suite->counts.answer_kl;
}

std::vector<ParetoPoint> MakePareto(const ReportData& report, Cost cost) {
  std::vector<ParetoPoint> points;
  for (size_t i = 0; i < report.lanes.size(); ++i) {
    const LaneResult& lane = report.lanes[i];
    if (lane.record.baseline || lane.record.control || lane.error) continue;
    const Estimate* kl = ParetoKl(report, lane);
    const std::optional<double> x = CostOf(lane, cost);
    if (kl == nullptr || !x || !(kl->value > 0)) continue;
    points.push_back(
        {.lane = i, .cost = *x, .kl = *kl, .dominated_by = std::nullopt, .tied_with = {}});
  }
  Compare(report, points, cost);
  return points;
}

}  // namespace bitloss

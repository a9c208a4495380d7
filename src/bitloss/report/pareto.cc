#include "bitloss/report/pareto.h"

#include <algorithm>

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

// The order of two divergences that the intervals show.
bool ShownLower(const Estimate& a, const Estimate& b) {
  const double a_high = a.interval ? a.interval->high : a.value;
  const double b_low = b.interval ? b.interval->low : b.value;
  return a_high < b_low;
}

void Compare(std::vector<ParetoPoint>& points, Cost cost) {
  for (ParetoPoint& point : points) {
    const ParetoPoint* best = nullptr;
    for (const ParetoPoint& other : points) {
      if (other.lane == point.lane) continue;
      if (ShownLower(other.kl, point.kl)) {
        const bool closer = best == nullptr || other.kl.value < best->kl.value;
        if (CostsNoMore(other, point, cost) && closer) best = &other;
      } else if (!ShownLower(point.kl, other.kl)) {
        point.tied_with.push_back(other.lane);
      }
    }
    if (best != nullptr) point.dominated_by = best->lane;
  }
}

}  // namespace

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
  Compare(points, cost);
  return points;
}

}  // namespace bitloss

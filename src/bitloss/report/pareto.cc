#include "bitloss/report/pareto.h"

#include "bitloss/report/paired_kl.h"
#include "bitloss/report/ranking.h"

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

void Compare(const Ranking& ranking, std::vector<ParetoPoint>& points, Cost cost) {
  for (ParetoPoint& point : points) {
    const ParetoPoint* best = nullptr;
    for (const ParetoPoint& other : points) {
      if (other.lane == point.lane) continue;
      if (ranking.IsCloser(other.lane, point.lane)) {
        const bool closer = best == nullptr || other.kl.value < best->kl.value;
        if (CostsNoMore(other, point, cost) && closer) best = &other;
      } else if (!ranking.IsCloser(point.lane, other.lane)) {
        point.tied_with.push_back(other.lane);
      }
    }
    if (best != nullptr) point.dominated_by = best->lane;
  }
}

}  // namespace

std::vector<ParetoPoint> MakePareto(const ReportData& report, Cost cost) {
  std::vector<ParetoPoint> points;
  for (size_t i = 0; i < report.lanes.size(); ++i) {
    const LaneResult& lane = report.lanes[i];
    const std::optional<double> x = CostOf(lane, cost);
    if (!IsCompared(report, lane) || !x) continue;
    points.push_back({.lane = i,
                      .cost = *x,
                      .kl = *KlOf(report, lane),
                      .dominated_by = std::nullopt,
                      .tied_with = {}});
  }
  Compare(RankLanes(report), points, cost);
  return points;
}

}  // namespace bitloss

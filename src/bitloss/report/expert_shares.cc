#include "bitloss/report/expert_shares.h"

#include <algorithm>
#include <numeric>

#include "bitloss/stats/clustered_mean.h"

namespace bitloss {
namespace {

// Adds a unit's tokens by run: those of each layer, and of all layers the mean.
void AddUnit(const TextUnit& unit, const ExpertChanges& experts,
             std::vector<std::vector<UnitSum>>& layers, std::vector<UnitSum>& all) {
  size_t begin = 0;
  for (const ClusterRun& run : unit.clusters) {
    double sum_of_layers = 0;
    for (size_t slot = 0; slot < layers.size(); ++slot) {
      const auto tokens =
          std::span(experts.changed).subspan(slot * unit.num_scored + begin, run.num_scored);
      const double sum = std::accumulate(tokens.begin(), tokens.end(), 0.0);
      layers[slot].push_back({run.cluster, sum, run.num_scored});
      sum_of_layers += sum;
    }
    all.push_back(
        {run.cluster, sum_of_layers / static_cast<double>(layers.size()), run.num_scored});
    begin += run.num_scored;
  }
}

}  // namespace

std::optional<ExpertShares> MeasureExperts(const ProtocolScores& scores, const LaneUnits& lane,
                                           const std::map<size_t, ExpertChanges>& by_unit,
                                           ThreadPool& threads) {
  if (by_unit.empty()) return std::nullopt;
  const std::vector<uint32_t>& numbers = by_unit.begin()->second.layers;
  std::vector<std::vector<UnitSum>> layers(numbers.size());
  std::vector<UnitSum> all;
  for (size_t u = 0; u < lane.size(); ++u) {
    if (!lane[u] || !scores.baseline[u]) continue;
    const auto found = by_unit.find(scores.units[u].unit);
    if (found == by_unit.end() || found->second.layers != numbers) return std::nullopt;
    AddUnit(scores.units[u], found->second, layers, all);
  }
  const bool has_tokens =
      std::ranges::any_of(all, [](const UnitSum& sum) { return sum.count > 0; });
  if (!has_tokens || numbers.empty()) return std::nullopt;
  constexpr MeanOptions kShare{.range = Range::kShare};
  ExpertShares shares{.all = ClusteredMean(all, threads, kShare)};
  for (size_t slot = 0; slot < numbers.size(); ++slot) {
    shares.layers.push_back({numbers[slot], ClusteredMean(layers[slot], threads, kShare)});
  }
  return shares;
}

}  // namespace bitloss

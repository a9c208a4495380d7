#include "bitloss/report/bands.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "bitloss/base/check.h"
#include "bitloss/base/sum.h"
#include "bitloss/report/text_results.h"
#include "bitloss/stats/clustered_mean.h"

namespace bitloss {
namespace {

constexpr std::array<double, 14> kPositionEdges = {0,    16,   32,   64,   128,   256,   512,
                                                   1024, 2048, 4096, 8192, 16384, 32768, 65536};
constexpr std::array<double, 7> kConfidenceEdges = {0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99};
constexpr double kNoEnd = 1e9;  // more tokens than any sequence has
// A probability of 1 belongs to the last band.
constexpr double kAboveOne = 1.0 + 1e-9;

// Sums by cluster of the tokens that fall into each band.
class BandSums {
 public:
  BandSums(std::span<const double> edges, double end) : edges_(edges.begin(), edges.end()) {
    edges_.push_back(end);
    sums_.resize(edges.size());
  }

  void Add(double place, uint32_t cluster, double kl) {
    const auto above = std::ranges::upper_bound(edges_, place);
    BITLOSS_DCHECK(above != edges_.begin() && above != edges_.end());
    Cell& cell = sums_[static_cast<size_t>(above - edges_.begin()) - 1][cluster];
    cell.sum.Add(kl);
    ++cell.count;
  }

  template <class NameOf>
  std::vector<Band> Finish(const NameOf& name_of, ThreadPool& threads) const {
    std::vector<Band> bands;
    for (size_t b = 0; b < sums_.size(); ++b) {
      std::vector<UnitSum> clusters;
      Band band{.name = name_of(edges_[b], edges_[b + 1]), .low = edges_[b], .high = edges_[b + 1]};
      for (const auto& [cluster, cell] : sums_[b]) {
        clusters.push_back({cluster, cell.sum.Total(), cell.count});
        band.num_tokens += cell.count;
      }
      if (clusters.empty()) continue;
      band.kl = ClusteredMean(clusters, threads, {.range = Range::kPositive});
      bands.push_back(std::move(band));
    }
    return bands;
  }

 private:
  struct Cell {
    Sum sum;
    uint64_t count = 0;
  };
  std::vector<double> edges_;
  std::vector<std::map<uint32_t, Cell>> sums_;
};

std::string PositionName(double low, double high) {
  return high == kNoEnd ? fmt::format("{:.0f}+", low) : fmt::format("{:.0f}-{:.0f}", low, high - 1);
}

std::string ConfidenceName(double low, double high) {
  return fmt::format("{:.0f}-{:.0f} %", 100 * low, 100 * high);
}

}  // namespace

Bands MeasureBands(const ProtocolScores& scores, const LaneUnits& lane, ThreadPool& threads) {
  BITLOSS_CHECK(lane.size() == scores.units.size());
  BandSums position(kPositionEdges, kNoEnd);
  BandSums confidence(kConfidenceEdges, kAboveOne);
  for (size_t u = 0; u < lane.size(); ++u) {
    if (!lane[u] || !scores.baseline[u] || lane[u]->kl.empty()) continue;
    const std::vector<double>& kl = lane[u]->kl;
    const std::vector<double>& sure = scores.baseline[u]->top1_probability;
    const TextUnit& unit = scores.units[u];
    const size_t first_scored = unit.num_tokens - unit.num_scored;
    size_t t = 0;
    for (const ClusterRun& run : unit.clusters) {
      for (const size_t end = t + run.num_scored; t < end; ++t) {
        position.Add(static_cast<double>(first_scored + t), run.cluster, kl[t]);
        if (!sure.empty()) confidence.Add(sure[t], run.cluster, kl[t]);
      }
    }
  }
  return {position.Finish(PositionName, threads), confidence.Finish(ConfidenceName, threads)};
}

}  // namespace bitloss

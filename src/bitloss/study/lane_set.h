// The lanes of a study while it runs: their blocks stand in memory, or are made when they are
// needed and forgotten.
#ifndef BITLOSS_STUDY_LANE_SET_H_
#define BITLOSS_STUDY_LANE_SET_H_

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/eval/scoring.h"
#include "bitloss/model/lane_builder.h"
#include "bitloss/store/kept_fits.h"
#include "bitloss/study/lanes.h"
#include "bitloss/team/team.h"

namespace bitloss {

class LaneSet : public BlockProvider {
 public:
  // Reads what lanes share; holds no block. Schemes that take a fit find their blocks in `fitted`
  // (FitLanes). Lanes from checkpoints of their own are read whole and stay in memory.
  // Requires: everything that is referred to outlives the set.
  static Result<std::unique_ptr<LaneSet>> Open(const ModelSource& source, const Backend& backend,
                                               std::span<const LanePlan> plans, uint64_t seed,
                                               const FittedBlocks& fitted);

  size_t size() const { return lanes_.size(); }
  // Its size, the time it took so far; with blocks while it is held.
  const BuiltLane& lane(size_t i) const { return lanes_[i]; }

  // The memory that a lane's packed blocks take: one is made and measured (of a mixed lane one of
  // its largest component). 0 for a lane that needs none, or is in memory anyway.
  Result<uint64_t> PackedBytes(size_t i);

  // Makes the blocks of every lane; `layer_done` is told the number of blocks done.
  Status HoldAll(const std::function<void(size_t)>& layer_done);
  // Whether HoldAll was called; then Hold and LetGo do nothing.
  bool holds_all() const { return holds_all_; }
  Status Hold(size_t i) override;
  void LetGo();
  void Forget() { maker_.Forget(); }

  Status ForEachBlock(size_t layer, std::span<const size_t> lanes, const Use& use) override;

 private:
  struct Place {
    bool stored = false;
    bool head_only = false;
    std::optional<MixedScheme> mixed = {};
    size_t first = 0;  // among the maker's lanes
  };

  LaneSet(const ModelConfig& config, BlockMaker maker)
      : config_(config), maker_(std::move(maker)) {}

  Result<LayerWeights> Make(size_t i, size_t layer);
  bool HasBlocksElsewhere(size_t i) const { return places_[i].stored || places_[i].head_only; }

  const ModelConfig& config_;
  BlockMaker maker_;
  std::vector<Place> places_;
  std::vector<BuiltLane> lanes_;
  bool holds_all_ = false;
};

// Where fitted blocks go.
struct FitPlaces {
  FittedBlocks& blocks;      // all of them, for this run
  KeptFits* kept = nullptr;  // for later ones too; null: nowhere. Rank 0 alone has it
};

// Runs the fits that the plans' schemes need and that are not kept: each block on one rank of the
// team, which hands it to the others. Every rank carries the calibration text through the
// unquantized blocks, so ranks take blocks in turn; a lane that follows its own blocks is one
// rank's. The seconds that each plan's lane took on this rank, on rank 0 also when its blocks were
// made before. Called by all ranks; the error of one is all's.
Result<std::vector<double>> FitLanes(const ModelSource& source, Transformer& transformer,
                                     std::span<const LanePlan> plans,
                                     const LaneBuilderOptions& options, Team& team,
                                     const FitPlaces& places);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_LANE_SET_H_

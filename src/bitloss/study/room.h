// What fits into the memory that a study may use.
#ifndef BITLOSS_STUDY_ROOM_H_
#define BITLOSS_STUDY_ROOM_H_

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/eval/scoring.h"
#include "bitloss/model/config.h"
#include "bitloss/study/lane_set.h"
#include "bitloss/study/prompts.h"
#include "bitloss/study/tasks.h"
#include "bitloss/study/texts.h"

namespace bitloss {

struct Room {
  // Every lane's blocks stand in memory. If not, blocks are made for each group of sequences, and a
  // lane is whole only while it answers prompts.
  bool holds_all = true;
  // Tokens of a group: about so many if all is held (enough to keep the multipliers busy; what a
  // kill can cost), else at most so many.
  size_t group_tokens = 2048;

  // Runs of neighbouring sequences; small enough for `num_ranks` to finish together.
  std::vector<std::pair<size_t, size_t>> Groups(std::span<const ScoredSequence> sequences,
                                                size_t num_ranks = 1) const;
};

// What a study asks of its lanes.
struct Asked {
  std::span<const StudyText> texts = {};
  std::span<const StudySuite> suites = {};
  std::span<const StudyTask> tasks = {};
  size_t calibration_tokens = 0;
};

// What lanes' blocks take, measured (LaneSet::PackedBytes) or forecast.
struct BlockBytes {
  std::vector<uint64_t> of_lanes;  // 0 where a lane has none of its own, or is in memory anyway
  uint64_t block_weights = 0;      // LargestBlock
  uint64_t resident = 0;           // what is in memory beside them
};

// The weights of the linears of the block that has most.
uint64_t LargestBlock(const ModelConfig& config);

// Counts what the study will have resident beyond the page cache: what is there now, one block in
// the making, the work of 2,048 tokens or of the longest sequence, hidden rows of every lane, and
// either all lanes' blocks or those of the largest lane that answers suites, with keys and values,
// or scores tasks; and beside that what fits look at. `max_bytes` 0: no bound. kBadInput says how
// much is needed at least.
Result<Room> PlanRoom(const ModelConfig& config, const BlockBytes& blocks,
                      std::span<const LanePlan> plans, const Asked& asked, uint64_t max_bytes);

// The same with blocks measured, one of each lane, where there is a bound.
Result<Room> PlanRoom(const ModelConfig& config, LaneSet& lanes, std::span<const LanePlan> plans,
                      const Asked& asked, uint64_t max_bytes);

// So counted, what it takes to hold all lanes' blocks, fits aside.
uint64_t BytesToHoldAll(const ModelConfig& config, const BlockBytes& blocks, const Asked& asked);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_ROOM_H_

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

// As a message between ranks (team/codec.h).
template <class Codec>
void Members(Codec& codec, Room& room) {
  codec(room.holds_all, room.group_tokens);
}

// What two ranks can both do.
Room Smaller(const Room& a, const Room& b);

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

// The memory that tensors and blocks lie in.
struct MemoryBound {
  uint64_t bytes = 0;             // 0: no bound
  std::string name = "--memory";  // for errors: "NAME 6144M is too little"
  bool is_device = false;         // not the host's: blocks are made elsewhere
  WorkSizes work_sizes = {};      // of the backend
};

// The weights of the linears of the block that has most.
uint64_t LargestBlock(const ModelConfig& config);

// Counts what the study will have resident beyond the page cache: what is there now, one block in
// the making, the work of a group of tokens or of the longest sequence, hidden rows of every lane,
// and either all lanes' blocks or those of the largest lane that answers suites, with keys and
// values, or scores tasks; and beside that what fits look at. kBadInput says how much is needed at
// least.
Result<Room> PlanRoom(const ModelConfig& config, const BlockBytes& blocks,
                      std::span<const LanePlan> plans, const Asked& asked,
                      const MemoryBound& bound);

// The same with blocks measured, one of each lane, where that decides something. `max_bytes` is the
// bound of the host's memory, 0: none. On a device with memory of its own, what it has is the bound
// of all that lies there, and the host's that of what blocks are made in.
Result<Room> PlanRoom(const ModelConfig& config, LaneSet& lanes, std::span<const LanePlan> plans,
                      const Asked& asked, uint64_t max_bytes, const Backend& backend);

// So counted, what it takes to hold all lanes' blocks, fits aside.
uint64_t BytesToHoldAll(const ModelConfig& config, const BlockBytes& blocks, const Asked& asked);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_ROOM_H_

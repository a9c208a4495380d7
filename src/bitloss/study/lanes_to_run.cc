#include "bitloss/study/lanes_to_run.h"

#include <algorithm>
#include <string>

#include "bitloss/study/passes/passes.h"
#include "bitloss/team/codec.h"

namespace bitloss {
namespace {

using Passes = std::span<const std::unique_ptr<const Pass>>;

// Whether some of the lanes lack a number.
Result<bool> HasWork(const Store& store, Passes passes, std::span<const size_t> lanes) {
  for (const auto& pass : passes) {
    BITLOSS_TRY(const bool pending, pass->IsPending(store, lanes));
    if (pending) return true;
  }
  return false;
}

// Whether what the lanes lack asks for the baseline's blocks.
Result<bool> NeedsBaseline(const Store& store, const BaselineRows& rows, Passes passes,
                           std::span<const size_t> lanes) {
  for (const auto& pass : passes) {
    BITLOSS_TRY(const bool needs, pass->NeedsBaseline(store, rows, lanes));
    if (needs) return true;
  }
  return false;
}

// Of all lanes the baseline and those that lack a number; the baseline without its blocks if what
// it has already is enough. None if nothing is lacking.
Result<std::vector<LanePlan>> LanesToRun(const Store& store, const BaselineRows& rows,
                                         Passes passes, std::vector<LanePlan> lanes) {
  std::vector<LanePlan> running;
  std::vector<size_t> numbers;
  bool baseline_has_work = false;
  for (LanePlan& lane : lanes) {
    const size_t number = lane.record.lane;
    BITLOSS_TRY(const bool has_work, HasWork(store, passes, {&number, 1}));
    if (lane.record.baseline) baseline_has_work = has_work;
    if (!has_work && !lane.record.baseline) continue;
    numbers.push_back(number);
    running.push_back(std::move(lane));
  }
  if (baseline_has_work) return running;
  if (running.size() == 1) return std::vector<LanePlan>();
  BITLOSS_TRY(const bool needs_blocks, NeedsBaseline(store, rows, passes, numbers));
  running[0].complete = true;
  running[0].head_only = !needs_blocks;
  return running;
}

// A lane of the plan that every rank made from the same options, as rank 0 numbers it.
struct LaneToRun {
  std::string scheme;
  uint64_t lane = 0;
  bool head_only = false;
};

}  // namespace

template <class Codec>
void Members(Codec& codec, LaneToRun& value) {
  codec(value.scheme, value.lane, value.head_only);
}

Result<std::vector<LanePlan>> FindLanesToRun(const StudyPlan& plan, const StudyOptions& options,
                                             const Store& store, const BaselineRows& rows) {
  BITLOSS_TRY(const std::vector<LaneRecord> existing, store.Lanes());
  BITLOSS_TRY(std::vector<LanePlan> lanes,
              PlanLanes(plan.model, options, plan.calibration, existing));
  return LanesToRun(store, rows, PassesOf(plan, options), std::move(lanes));
}

Status ShareLanes(Team& team, Result<std::vector<LanePlan>> found, std::vector<LanePlan>& lanes) {
  Result<Message> message = Message();
  if (team.leads()) {
    std::vector<LaneToRun> running;
    if (found.ok()) {
      for (const LanePlan& plan : found.value()) {
        running.push_back({plan.record.scheme, plan.record.lane, plan.head_only});
      }
      message = Encode(std::move(running));
    } else {
      message = found.error();
    }
  }
  BITLOSS_TRY(const Message shared, team.Share(0, std::move(message)));
  if (team.leads()) {
    lanes = std::move(found).value();
    return Ok();
  }
  BITLOSS_TRY(const std::vector<LaneToRun> running, Decode<std::vector<LaneToRun>>(shared));
  std::vector<LanePlan> chosen;
  for (const LaneToRun& lane : running) {
    const auto plan = std::ranges::find_if(
        lanes, [&](const LanePlan& p) { return p.record.scheme == lane.scheme; });
    BITLOSS_CHECK(plan != lanes.end());
    plan->record.lane = lane.lane;
    plan->head_only = lane.head_only;
    chosen.push_back(std::move(*plan));
  }
  lanes = std::move(chosen);
  return Ok();
}

}  // namespace bitloss

#include "bitloss/study/lanes_to_run.h"

#include <algorithm>
#include <string>

#include "bitloss/study/answer_pass.h"
#include "bitloss/study/judge_pass.h"
#include "bitloss/study/sample_pass.h"
#include "bitloss/study/text_pass.h"
#include "bitloss/team/codec.h"

namespace bitloss {
namespace {

// Whether some of the lanes lack a number.
Result<bool> HasWork(const Store& store, const StudyPlan& plan, size_t num_samples,
                     std::span<const size_t> lanes) {
  for (size_t p = 0; p < plan.texts.size(); ++p) {
    BITLOSS_TRY(const std::vector<size_t> pending,
                PendingUnits(store, p, plan.texts[p].windows.sequences.size(), lanes));
    if (!pending.empty()) return true;
  }
  for (size_t s = 0; s < plan.suites.size(); ++s) {
    BITLOSS_TRY(
        const PendingAnswers pending,
        FindPendingAnswers(store, s, plan.suites[s].prompts.size(), lanes, plan.model.end_tokens));
    if (!pending.empty()) return true;
    BITLOSS_TRY(const bool judged, JudgingIsComplete(store, s, lanes));
    if (!judged) return true;
    BITLOSS_TRY(const bool sampled,
                SamplesAreComplete(store, s, plan.suites[s].prompts.size(), num_samples, lanes));
    if (!sampled) return true;
  }
  return false;
}

// Whether everything that the lanes lack is compared with baseline rows that are kept.
Result<bool> KeepsAllRows(const Store& store, const BaselineRows& rows, const StudyPlan& plan,
                          std::span<const size_t> lanes) {
  for (size_t p = 0; p < plan.texts.size(); ++p) {
    BITLOSS_TRY(std::vector<size_t> pending,
                PendingUnits(store, p, plan.texts[p].windows.sequences.size(), lanes));
    BITLOSS_TRY(const size_t num_kept, PutKeptFirst(rows, RowsOf::kText, p, pending));
    if (num_kept < pending.size()) return false;
  }
  for (size_t s = 0; s < plan.suites.size(); ++s) {
    BITLOSS_TRY(PendingAnswers pending, FindPendingAnswers(store, s, plan.suites[s].prompts.size(),
                                                           lanes, plan.model.end_tokens));
    BITLOSS_TRY(const size_t num_kept, PutKeptFirst(rows, RowsOf::kAnswer, s, pending.unscored));
    if (num_kept < pending.unscored.size()) return false;
  }
  return true;
}

// Of all lanes the baseline and those that lack a number; the baseline without its blocks if what
// it has already is enough. None if nothing is lacking.
Result<std::vector<LanePlan>> LanesToRun(const Store& store, const BaselineRows& rows,
                                         const StudyPlan& plan, size_t num_samples,
                                         std::vector<LanePlan> lanes) {
  std::vector<LanePlan> running;
  std::vector<size_t> numbers;
  bool baseline_has_work = false;
  for (LanePlan& lane : lanes) {
    const size_t number = lane.record.lane;
    BITLOSS_TRY(const bool has_work, HasWork(store, plan, num_samples, {&number, 1}));
    if (lane.record.baseline) baseline_has_work = has_work;
    if (!has_work && !lane.record.baseline) continue;
    numbers.push_back(number);
    running.push_back(std::move(lane));
  }
  if (running.size() == 1 && !baseline_has_work) return std::vector<LanePlan>();
  BITLOSS_TRY(const bool keeps_all, KeepsAllRows(store, rows, plan, numbers));
  // Answers that differ from the baseline's are read by the whole of it.
  const bool judges = !plan.suites.empty();
  running[0].complete = !baseline_has_work;
  running[0].head_only = keeps_all && !baseline_has_work && !judges;
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
  return LanesToRun(store, rows, plan, options.num_samples, std::move(lanes));
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

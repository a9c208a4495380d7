#include "bitloss/study/passes/task_pass.h"

#include <algorithm>

#include "bitloss/study/memory.h"

namespace bitloss {

Result<bool> TaskPass::IsPending(const Store& store, std::span<const size_t> lanes) const {
  for (const size_t lane : lanes) {
    BITLOSS_TRY(const std::vector<size_t> pending, Pending(store, lane));
    if (!pending.empty()) return true;
  }
  return false;
}

Result<std::vector<size_t>> TaskPass::Pending(const Store& store, size_t lane) const {
  BITLOSS_TRY(const std::vector<TaskScores> scores, store.AllTaskScores(lane, index_));
  std::vector<size_t> pending;
  for (size_t item = 0, next = 0; item < task_.items.size(); ++item) {
    if (next < scores.size() && scores[next].item == item) {
      ++next;
    } else {
      pending.push_back(item);
    }
  }
  return pending;
}

std::vector<Continuation> TaskPass::ContinuationsOf(std::span<const size_t> items) const {
  std::vector<Continuation> continuations;
  for (const size_t item : items) {
    for (const EncodedContinuation& one : task_.continuations[item]) {
      continuations.push_back({one.tokens, one.first_scored});
    }
  }
  return continuations;
}

std::vector<TaskPass::ItemBatch> TaskPass::Batches(const StudyLane& lane,
                                                   std::span<const size_t> items,
                                                   size_t num_tokens) const {
  std::vector<ItemBatch> batches;
  size_t tokens = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    if (batches.empty() || tokens >= num_tokens) {
      batches.push_back({&lane, {}});
      tokens = 0;
    }
    batches.back().items.push_back(items[i]);
    tokens += NumDistinctTokens(ContinuationsOf(items.subspan(i, 1)));
  }
  return batches;
}

Status TaskPass::Run(const PassWork& work) const {
  const size_t num_tokens = work.crew.transformer().backend().work_sizes().group_tokens;
  std::vector<ItemBatch> batches;
  Progress state{task_.record.id, 0, 0, "items"};
  for (const StudyLane& lane : work.crew.lanes()) {
    BITLOSS_TRY(const std::vector<size_t> pending, Pending(work.store, lane.lane));
    std::ranges::move(Batches(lane, pending, num_tokens), std::back_inserter(batches));
    state.total += task_.items.size();
    state.done += task_.items.size() - pending.size();
  }
  if (batches.empty()) return Ok();
  work.progress(state);
  const auto batch = [&](size_t i) {
    return Crew::Continuations{batches[i].lane, ContinuationsOf(batches[i].items)};
  };
  return work.crew.ScoreContinuations(
      batches.size(), batch, [&](size_t i, Crew::ScoredContinuations scored) -> Status {
        BITLOSS_DO(Put(batches[i], scored, work.store));
        state.done += batches[i].items.size();
        work.progress(state);
        return work.store.PutPeakMemory(batches[i].lane->lane, PeakResidentBytes());
      });
}

Status TaskPass::Put(const ItemBatch& batch, const Crew::ScoredContinuations& scored,
                     Store& store) const {
  std::vector<TaskScores> records;
  uint64_t num_tokens = 0;
  size_t next = 0;
  for (const size_t item : batch.items) {
    TaskScores& record = records.emplace_back();
    record.lane = batch.lane->lane;
    record.task = index_;
    record.item = item;
    for (const EncodedContinuation& one : task_.continuations[item]) {
      const ContinuationScore& score = scored.scores[next++];
      record.log_likelihoods.push_back(score.log_likelihood);
      record.greedy.push_back(score.greedy ? 1 : 0);
      num_tokens += one.tokens.size() - 1;
    }
  }
  BITLOSS_DO(store.PutTaskScores(records));
  const Timing timing{batch.lane->lane, TimingKind::kTask,
                      fmt::format("{}/{}", index_, batch.items[0]), scored.seconds, num_tokens};
  return store.PutTimings({&timing, 1});
}

}  // namespace bitloss

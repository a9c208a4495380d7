// What every lane finds of a task's continuations.
#ifndef BITLOSS_STUDY_PASSES_TASK_PASS_H_
#define BITLOSS_STUDY_PASSES_TASK_PASS_H_

#include <vector>

#include "bitloss/study/passes/pass.h"
#include "bitloss/study/tasks.h"

namespace bitloss {

// A lane scores what it lacks, whatever the others have: in batches of whole items, each stored as
// it is done.
class TaskPass : public Pass {
 public:
  // `index` is the task's number in the manifest. Requires: the task outlives the pass.
  TaskPass(const StudyTask& task, size_t index) : task_(task), index_(index) {}

  Result<bool> IsPending(const Store& store, std::span<const size_t> lanes) const override;
  // Never: the baseline scores for itself alone.
  Result<bool> NeedsBaseline(const Store&, const BaselineRows&,
                             std::span<const size_t>) const override {
    return false;
  }
  Status Run(const PassWork& work) const override;

 private:
  // Items that one lane scores together.
  struct ItemBatch {
    const StudyLane* lane;
    std::vector<size_t> items;
  };

  // Items that a lane has not scored.
  Result<std::vector<size_t>> Pending(const Store& store, size_t lane) const;
  // A lane's items in batches of about `num_tokens` tokens that go through the model.
  std::vector<ItemBatch> Batches(const StudyLane& lane, std::span<const size_t> items,
                                 size_t num_tokens) const;
  std::vector<Continuation> ContinuationsOf(std::span<const size_t> items) const;
  Status Put(const ItemBatch& batch, const Crew::ScoredContinuations& scored, Store& store) const;

  const StudyTask& task_;
  size_t index_;
};

}  // namespace bitloss

#endif  // BITLOSS_STUDY_PASSES_TASK_PASS_H_

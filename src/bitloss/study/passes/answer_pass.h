// Every lane's own answers to the prompts of a suite, checked.
#ifndef BITLOSS_STUDY_PASSES_ANSWER_PASS_H_
#define BITLOSS_STUDY_PASSES_ANSWER_PASS_H_

#include <vector>

#include "bitloss/study/passes/pass.h"
#include "bitloss/study/passes/to_answer.h"

namespace bitloss {

// A lane answers what it lacks as one batch, and a finished answer is checked and stored at once;
// with several ranks in as many batches, each stored as it is done.
class AnswerPass : public Pass {
 public:
  AnswerPass(SuiteToAnswer suite, GenerationOptions options)
      : suite_(suite), options_(std::move(options)) {}

  Result<bool> IsPending(const Store& store, std::span<const size_t> lanes) const override;
  // Never: the baseline answers for itself alone.
  Result<bool> NeedsBaseline(const Store&, const BaselineRows&,
                             std::span<const size_t>) const override {
    return false;
  }
  Status Run(const PassWork& work) const override;

 private:
  // Prompts that a lane has not answered.
  Result<std::vector<size_t>> Pending(const Store& store, size_t lane) const;
  Status AnswerOneByOne(const PassWork& work, const StudyLane& lane,
                        std::span<const size_t> prompts) const;
  Status AnswerOnRanks(const PassWork& work) const;
  Status Put(Generated generated, size_t lane, size_t prompt, Store& store) const;

  SuiteToAnswer suite_;
  GenerationOptions options_;
};

}  // namespace bitloss

#endif  // BITLOSS_STUDY_PASSES_ANSWER_PASS_H_

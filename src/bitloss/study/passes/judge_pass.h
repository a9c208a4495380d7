// The baseline as judge: how likely it finds what a lane answered. An answer that reads well but
// that the baseline would hardly have given shows here, with no other model to ask.
#ifndef BITLOSS_STUDY_PASSES_JUDGE_PASS_H_
#define BITLOSS_STUDY_PASSES_JUDGE_PASS_H_

#include <vector>

#include "bitloss/study/passes/pass.h"
#include "bitloss/study/passes/to_answer.h"

namespace bitloss {

// Scores answers that differ from the baseline's. The others need none: their losses are those of
// the baseline's own answer.
class JudgePass : public Pass {
 public:
  explicit JudgePass(SuiteToAnswer suite) : suite_(suite) {}

  Result<bool> IsPending(const Store& store, std::span<const size_t> lanes) const override;
  // Always: what a lane will answer, the whole of the baseline may have to read.
  Result<bool> NeedsBaseline(const Store&, const BaselineRows&,
                             std::span<const size_t>) const override {
    return true;
  }
  Status Run(const PassWork& work) const override;

 private:
  // Answers of `lane` that differ from the baseline's and were not judged yet.
  Result<std::vector<Answer>> Pending(const Store& store, size_t lane,
                                      std::span<const Answer> baseline) const;

  SuiteToAnswer suite_;
};

}  // namespace bitloss

#endif  // BITLOSS_STUDY_PASSES_JUDGE_PASS_H_

// Every lane, teacher-forced, on the baseline's own answers, and what both models give to both
// continuations where an answer leaves the baseline's (answer_forks.h).
#ifndef BITLOSS_STUDY_PASSES_ANSWER_SCORING_PASS_H_
#define BITLOSS_STUDY_PASSES_ANSWER_SCORING_PASS_H_

#include <vector>

#include "bitloss/study/answer_forks.h"
#include "bitloss/study/passes/item_scoring.h"
#include "bitloss/study/passes/pass.h"
#include "bitloss/study/passes/to_answer.h"

namespace bitloss {

// Run requires that every lane has answered every prompt.
class AnswerScoringPass : public Pass {
 public:
  // `end_tokens`, not empty, are those that end an answer.
  AnswerScoringPass(SuiteToAnswer suite, std::vector<int32_t> end_tokens)
      : suite_(suite), end_tokens_(std::move(end_tokens)) {}

  Result<bool> IsPending(const Store& store, std::span<const size_t> lanes) const override;
  Result<bool> NeedsBaseline(const Store& store, const BaselineRows& rows,
                             std::span<const size_t> lanes) const override;
  Status Run(const PassWork& work) const override;

 private:
  // Prompts that some lane has not scored, or of which the study does not say how answers part.
  Result<std::vector<size_t>> Pending(const Store& store, const AnswerForks& forks,
                                      std::span<const size_t> lanes) const;
  // `baseline` are its answers to all prompts.
  Status Put(const ItemScoring& scoring, const AnswerForks& forks, std::span<const Answer> baseline,
             std::span<const size_t> prompts, Scorer::GroupScores group) const;
  Result<AnswerForks> Forks(const Store& store, std::span<const size_t> lanes) const {
    return AnswerForks::Read(store, suite_.index, lanes, end_tokens_);
  }
  RowsList rows_list() const { return {RowsOf::kAnswer, suite_.index}; }

  SuiteToAnswer suite_;
  std::vector<int32_t> end_tokens_;
};

}  // namespace bitloss

#endif  // BITLOSS_STUDY_PASSES_ANSWER_SCORING_PASS_H_

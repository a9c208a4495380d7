// What both models give to both continuations where a lane's answer leaves the baseline's: asked
// while every lane is scored on the baseline's own answers, where the beginning that two answers
// share has been read anyway.
#ifndef BITLOSS_STUDY_ANSWER_FORKS_H_
#define BITLOSS_STUDY_ANSWER_FORKS_H_

#include <map>
#include <set>
#include <span>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/eval/scoring.h"
#include "bitloss/store/store.h"

namespace bitloss {

// The answer to a prompt; null if there is none. Requires: answers by rising prompt, as a Store
// gives them.
const Answer* FindAnswer(std::span<const Answer> answers, size_t prompt);

class AnswerForks {
 public:
  // From the stored answers of `lanes` to a suite. Requires: lanes[0] is the baseline, 0;
  // `end_tokens`, not empty, are those that end an answer.
  static Result<AnswerForks> Read(const Store& store, size_t suite, std::span<const size_t> lanes,
                                  std::span<const int32_t> end_tokens);

  // Whether some lane's answer to `prompt` parts from the baseline's and the study does not say
  // how.
  bool IsPending(size_t prompt) const;

  // The tokens that continue the baseline's answer to `prompt` for scoring: one that ends it, where
  // it ended by itself. They do not depend on what other lanes say, so that what a lane computes
  // (LLM.int8 looks at the whole sequence) and what is kept of the baseline does not either.
  std::span<const int32_t> Continuation(size_t prompt) const;

  // Asked of the baseline's answer to `prompt` and its continuation.
  std::span<const ScoredSequence::Question> Questions(size_t prompt) const;

  // The records of `prompt`, from the losses of its questions: [lane of Read's span][question].
  std::vector<AnswerFork> Records(size_t prompt,
                                  std::span<const std::vector<double>> question_nll) const;

 private:
  struct Fork {
    size_t place = 0;  // of the lane, in the span that was read
    AnswerFork record;
    std::vector<int32_t> baseline_says;  // any of these
    std::vector<int32_t> lane_says;
    size_t first_question = 0;  // the baseline's tokens, then the lane's
  };
  struct Prompt {
    std::vector<Fork> forks;
    std::vector<ScoredSequence::Question> questions;
    bool pending = false;
    void Ask();  // fills in `questions`
  };

  const Prompt* Find(size_t prompt) const;

  std::map<size_t, Prompt> prompts_;  // that have a fork
  std::set<size_t> ended_;            // prompts whose baseline answer ended by itself
  std::vector<int32_t> end_tokens_;
};

}  // namespace bitloss

#endif  // BITLOSS_STUDY_ANSWER_FORKS_H_

#ifndef BITLOSS_STUDY_ANSWER_PASS_H_
#define BITLOSS_STUDY_ANSWER_PASS_H_

#include <span>

#include "bitloss/base/result.h"
#include "bitloss/eval/generation.h"
#include "bitloss/store/store.h"
#include "bitloss/study/progress.h"
#include "bitloss/study/prompts.h"
#include "bitloss/study/text_pass.h"

namespace bitloss {

// What is still to do for suite number `suite`.
struct PendingAnswers {
  std::vector<std::vector<size_t>> prompts;  // [lane of the span][...]: without an answer
  // Prompts that some lane has not scored, or of which the study does not say how answers part.
  std::vector<size_t> unscored;

  bool empty() const;
};
Result<PendingAnswers> FindPendingAnswers(const Store& store, size_t suite, size_t num_prompts,
                                          std::span<const size_t> lanes,
                                          std::span<const int32_t> end_tokens);

struct AnswerOptions {
  GenerationOptions generation;
  const Tokenizer& tokenizer;  // turns ids into the text that is checked
};

// The answer to a prompt of the suite as the study stores it, checked: its thinking, if it was
// asked to think, is no part of what checks look at. Of lane 0, suite 0 and prompt 0 until the
// caller says.
Answer ToAnswer(Generated generated, const StudySuite& suite, size_t prompt,
                const Tokenizer& tokenizer);

// Every lane answers the prompts that it has not answered yet: all as one batch, and a finished
// answer is checked and stored at once; with several ranks in as many batches, each stored as it is
// done. On rank 0.
Status RunAnswerPass(Crew& crew, const StudySuite& suite, size_t suite_index,
                     const AnswerOptions& options, Store& store, const ProgressSink& progress);

// Every lane is scored, teacher-forced, on the baseline's own answers, and asked about the tokens
// where answers part; the baseline's rows are kept as in RunTextPass. Requires: every lane has
// answered every prompt. On rank 0.
Status RunAnswerScoring(Crew& crew, const StudySuite& suite, size_t suite_index,
                        std::span<const int32_t> end_tokens, Store& store, BaselineRows& rows,
                        const ProgressSink& progress);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_ANSWER_PASS_H_

// The baseline as judge: how likely it finds what a lane answered. An answer that reads well but
// that the baseline would hardly have given shows here, with no other model to ask.
#ifndef BITLOSS_STUDY_JUDGE_PASS_H_
#define BITLOSS_STUDY_JUDGE_PASS_H_

#include <span>

#include "bitloss/base/result.h"
#include "bitloss/store/store.h"
#include "bitloss/study/crew.h"
#include "bitloss/study/progress.h"
#include "bitloss/study/prompts.h"

namespace bitloss {

// Whether every answer of `lanes` that differs from the baseline's has been judged.
Result<bool> JudgingIsComplete(const Store& store, size_t suite, std::span<const size_t> lanes);

// Scores those answers that have not been with lanes[0], the baseline. The others need none: their
// losses are those of the baseline's own answer.
Status RunJudging(Crew& crew, const StudySuite& suite, size_t suite_index, Store& store,
                  const ProgressSink& progress);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_JUDGE_PASS_H_

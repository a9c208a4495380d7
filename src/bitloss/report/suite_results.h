// From answers to one lane's counts on one suite.
#ifndef BITLOSS_REPORT_SUITE_RESULTS_H_
#define BITLOSS_REPORT_SUITE_RESULTS_H_

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "bitloss/base/threads.h"
#include "bitloss/report/report_data.h"
#include "bitloss/store/records.h"

namespace bitloss {

// What one lane answered.
struct LaneAnswers {
  std::vector<Answer> answers;              // rising prompts
  std::vector<AnswerScores> scores;         // rising prompts
  std::vector<AnswerFork> forks;            // rising prompts
  std::vector<AnswerJudgement> judgements;  // rising prompts
  std::map<size_t, double> seconds;         // by prompt
};

// None if the lane has no answers. With lane == baseline (the same object) nothing is compared.
std::optional<SuiteResult> MeasureSuite(size_t suite, std::span<const PromptRecord> prompts,
                                        const LaneAnswers& baseline, const LaneAnswers& lane,
                                        ThreadPool& threads);

// The lane's answer to prompt `prompt`; null if it has none.
const AnswerResult* FindAnswer(const SuiteResult& suite, size_t prompt);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_SUITE_RESULTS_H_

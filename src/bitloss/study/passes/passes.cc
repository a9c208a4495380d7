#include "bitloss/study/passes/passes.h"

#include "bitloss/study/passes/answer_pass.h"
#include "bitloss/study/passes/answer_scoring_pass.h"
#include "bitloss/study/passes/judge_pass.h"
#include "bitloss/study/passes/sample_pass.h"
#include "bitloss/study/passes/task_pass.h"
#include "bitloss/study/passes/text_pass.h"

namespace bitloss {
namespace {

GenerationOptions Decoding(const StudyPlan& plan, const StudyOptions& options,
                           std::optional<double> temperature) {
  GenerationOptions decoding;
  decoding.end_tokens = plan.model.end_tokens;
  if (temperature) decoding.sampling = Sampling{*temperature, options.seed, 0};
  return decoding;
}

}  // namespace

std::vector<std::unique_ptr<const Pass>> PassesOf(const StudyPlan& plan,
                                                  const StudyOptions& options) {
  std::vector<std::unique_ptr<const Pass>> passes;
  for (size_t p = 0; p < plan.texts.size(); ++p) {
    passes.push_back(std::make_unique<TextPass>(plan.texts[p].windows, p));
  }
  for (size_t t = 0; t < plan.tasks.size(); ++t) {
    passes.push_back(std::make_unique<TaskPass>(plan.tasks[t], t));
  }
  const GenerationOptions answering = Decoding(plan, options, options.temperature);
  const GenerationOptions sampling = Decoding(plan, options, options.sample_temperature);
  for (size_t s = 0; s < plan.suites.size(); ++s) {
    const SuiteToAnswer suite{plan.suites[s], s, plan.model.tokenizer};
    passes.push_back(std::make_unique<AnswerPass>(suite, answering));
    passes.push_back(std::make_unique<AnswerScoringPass>(suite, answering.end_tokens));
    passes.push_back(std::make_unique<JudgePass>(suite));
    passes.push_back(std::make_unique<SamplePass>(suite, options.num_samples, sampling));
  }
  return passes;
}

}  // namespace bitloss

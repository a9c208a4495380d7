#include "bitloss/study/sample_pass.h"

#include <algorithm>

#include "bitloss/base/check.h"

namespace bitloss {
namespace {

Result<std::vector<size_t>> PendingPrompts(const Store& store, size_t lane, size_t suite,
                                           size_t num_prompts, uint32_t sample) {
  std::vector<size_t> pending;
  for (size_t prompt = 0; prompt < num_prompts; ++prompt) {
    BITLOSS_TRY(const bool has, store.HasSampledAnswer(lane, suite, prompt, sample));
    if (!has) pending.push_back(prompt);
  }
  return pending;
}

// What one lane still has to answer of one sample.
struct SampleBatch {
  size_t lane = 0;
  uint32_t sample = 0;
  std::vector<size_t> prompts;
};

Status PutSamples(const SampleBatch& batch, const StudySuite& suite, size_t suite_index,
                  const Tokenizer& tokenizer, std::vector<Generated> answers, Store& store) {
  std::vector<SampledAnswer> sampled;
  for (size_t i = 0; i < answers.size(); ++i) {
    const size_t prompt = batch.prompts[i];
    sampled.push_back({batch.sample, ToAnswer(std::move(answers[i]), suite, prompt, tokenizer)});
    sampled.back().answer.lane = batch.lane;
    sampled.back().answer.suite = suite_index;
    sampled.back().answer.prompt = prompt;
  }
  return store.PutSampledAnswers(sampled);
}

}  // namespace

Result<bool> SamplesAreComplete(const Store& store, size_t suite, size_t num_prompts,
                                size_t num_samples, std::span<const size_t> lanes) {
  for (const size_t lane : lanes) {
    for (uint32_t sample = 0; sample < num_samples; ++sample) {
      BITLOSS_TRY(const std::vector<size_t> pending,
                  PendingPrompts(store, lane, suite, num_prompts, sample));
      if (!pending.empty()) return false;
    }
  }
  return true;
}

Status RunSamplePass(Crew& crew, const StudySuite& suite, size_t suite_index, size_t num_samples,
                     AnswerOptions options, Store& store, const ProgressSink& progress) {
  BITLOSS_CHECK(options.generation.sampling.has_value());
  options.generation.num_top_positions = 0;
  std::vector<SampleBatch> batches;
  std::vector<Crew::Question> questions;
  for (uint32_t sample = 0; sample < num_samples; ++sample) {
    options.generation.sampling->sample = sample;
    for (const StudyLane& lane : crew.lanes()) {
      BITLOSS_TRY(std::vector<size_t> pending,
                  PendingPrompts(store, lane.lane, suite_index, suite.prompts.size(), sample));
      if (pending.empty()) continue;
      Crew::Question& question = questions.emplace_back();
      question.lane = &lane;
      question.options = options.generation;
      for (const size_t prompt : pending) question.prompts.push_back(suite.prompts[prompt]);
      batches.push_back({lane.lane, sample, std::move(pending)});
    }
  }
  if (batches.empty()) return Ok();
  Progress state{fmt::format("{} samples", suite.suite.id), 0, batches.size(), "lanes and samples"};
  progress(state);
  return crew.AnswerBatches(questions, [&](size_t i, Crew::Answers answers) -> Status {
    BITLOSS_DO(PutSamples(batches[i], suite, suite_index, options.tokenizer,
                          std::move(answers.answers), store));
    ++state.done;
    progress(state);
    return Ok();
  });
}

}  // namespace bitloss

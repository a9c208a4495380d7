#include "bitloss/study/passes/sample_pass.h"

#include "bitloss/base/check.h"

namespace bitloss {
namespace {

// What one lane still has to answer of one sample.
struct SampleBatch {
  size_t lane = 0;
  uint32_t sample = 0;
  std::vector<size_t> prompts;
};

Status PutSamples(const SampleBatch& batch, const SuiteToAnswer& suite,
                  std::vector<Generated> answers, Store& store) {
  std::vector<SampledAnswer> sampled;
  for (size_t i = 0; i < answers.size(); ++i) {
    sampled.push_back(
        {batch.sample, ToAnswer(std::move(answers[i]), suite, batch.lane, batch.prompts[i])});
  }
  return store.PutSampledAnswers(sampled);
}

}  // namespace

SamplePass::SamplePass(SuiteToAnswer suite, size_t num_samples, GenerationOptions options)
    : suite_(suite), num_samples_(num_samples), options_(std::move(options)) {
  BITLOSS_CHECK(options_.sampling.has_value());
  options_.num_top_positions = 0;
}

Result<bool> SamplePass::IsPending(const Store& store, std::span<const size_t> lanes) const {
  for (const size_t lane : lanes) {
    for (uint32_t sample = 0; sample < num_samples_; ++sample) {
      BITLOSS_TRY(const std::vector<size_t> pending, Pending(store, lane, sample));
      if (!pending.empty()) return true;
    }
  }
  return false;
}

Status SamplePass::Run(const PassWork& work) const {
  std::vector<SampleBatch> batches;
  std::vector<Crew::Question> questions;
  for (uint32_t sample = 0; sample < num_samples_; ++sample) {
    for (const StudyLane& lane : work.crew.lanes()) {
      BITLOSS_TRY(std::vector<size_t> pending, Pending(work.store, lane.lane, sample));
      if (pending.empty()) continue;
      Crew::Question& question = questions.emplace_back();
      question.lane = &lane;
      question.options = options_;
      question.options.sampling->sample = sample;
      for (const size_t prompt : pending) {
        question.prompts.push_back(suite_.suite.prompts[prompt]);
      }
      batches.push_back({lane.lane, sample, std::move(pending)});
    }
  }
  if (batches.empty()) return Ok();
  Progress state{fmt::format("{} samples", suite_.suite.suite.id), 0, batches.size(),
                 "lanes and samples"};
  work.progress(state);
  return work.crew.AnswerBatches(questions, [&](size_t i, Crew::Answers answers) -> Status {
    BITLOSS_DO(PutSamples(batches[i], suite_, std::move(answers.answers), work.store));
    ++state.done;
    work.progress(state);
    return Ok();
  });
}

Result<std::vector<size_t>> SamplePass::Pending(const Store& store, size_t lane,
                                                uint32_t sample) const {
  std::vector<size_t> pending;
  for (size_t prompt = 0; prompt < suite_.suite.prompts.size(); ++prompt) {
    BITLOSS_TRY(const bool has, store.HasSampledAnswer(lane, suite_.index, prompt, sample));
    if (!has) pending.push_back(prompt);
  }
  return pending;
}

}  // namespace bitloss

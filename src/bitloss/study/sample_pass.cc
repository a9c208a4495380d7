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

// One lane's answers to the prompts that it lacks of one sample.
Status SampleLane(Transformer& transformer, const StudyLane& lane, const StudySuite& suite,
                  size_t suite_index, uint32_t sample, const AnswerOptions& options, Store& store) {
  BITLOSS_TRY(const std::vector<size_t> pending,
              PendingPrompts(store, lane.lane, suite_index, suite.prompts.size(), sample));
  if (pending.empty()) return Ok();
  std::vector<GenerationPrompt> prompts;
  for (const size_t prompt : pending) prompts.push_back(suite.prompts[prompt]);
  const AnswerDone done = [&](size_t index, Generated generated) -> Status {
    const size_t prompt = pending[index];
    SampledAnswer sampled{
        sample, ToAnswer(std::move(generated), suite.suite.prompts[prompt], options.tokenizer)};
    sampled.answer.lane = lane.lane;
    sampled.answer.suite = suite_index;
    sampled.answer.prompt = prompt;
    return store.PutSampledAnswers({&sampled, 1});
  };
  BITLOSS_TRY([[maybe_unused]] const GenerationSpeed speed,
              Generate(transformer, *lane.named.weights, prompts, options.generation, done));
  return Ok();
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

Status RunSamplePass(Transformer& transformer, std::span<const StudyLane> lanes,
                     const StudySuite& suite, size_t suite_index, size_t num_samples,
                     AnswerOptions options, Store& store, const ProgressSink& progress) {
  BITLOSS_CHECK(options.generation.sampling.has_value());
  options.generation.num_top_positions = 0;
  Progress state{fmt::format("{} samples", suite.suite.id), 0, num_samples * lanes.size(),
                 "lanes and samples"};
  for (uint32_t sample = 0; sample < num_samples; ++sample) {
    options.generation.sampling->sample = sample;
    for (const StudyLane& lane : lanes) {
      progress(state);
      BITLOSS_DO(SampleLane(transformer, lane, suite, suite_index, sample, options, store));
      ++state.done;
    }
  }
  if (num_samples > 0) progress(state);
  return Ok();
}

}  // namespace bitloss

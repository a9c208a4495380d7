#include "bitloss/study/passes/answer_pass.h"

#include <algorithm>

#include "bitloss/study/memory.h"

namespace bitloss {

Result<bool> AnswerPass::IsPending(const Store& store, std::span<const size_t> lanes) const {
  for (const size_t lane : lanes) {
    BITLOSS_TRY(const std::vector<size_t> pending, Pending(store, lane));
    if (!pending.empty()) return true;
  }
  return false;
}

Status AnswerPass::Run(const PassWork& work) const {
  if (work.crew.num_ranks() > 1) return AnswerOnRanks(work);
  for (const StudyLane& lane : work.crew.lanes()) {
    BITLOSS_TRY(const std::vector<size_t> pending, Pending(work.store, lane.lane));
    if (!pending.empty()) BITLOSS_DO(AnswerOneByOne(work, lane, pending));
  }
  return Ok();
}

Result<std::vector<size_t>> AnswerPass::Pending(const Store& store, size_t lane) const {
  std::vector<size_t> pending;
  for (size_t prompt = 0; prompt < suite_.suite.prompts.size(); ++prompt) {
    BITLOSS_TRY(const bool has, store.HasAnswer(lane, suite_.index, prompt));
    if (!has) pending.push_back(prompt);
  }
  return pending;
}

Status AnswerPass::AnswerOneByOne(const PassWork& work, const StudyLane& lane,
                                  std::span<const size_t> pending) const {
  std::vector<GenerationPrompt> prompts;
  uint64_t most_tokens = 0;
  for (const size_t prompt : pending) {
    prompts.push_back(suite_.suite.prompts[prompt]);
    most_tokens += prompts.back().max_new_tokens;
  }
  // An answer that ends early saves the tokens that it could have had.
  uint64_t saved_tokens = 0;
  Progress state{fmt::format("{} answers, {}", suite_.suite.suite.id, lane.named.name), 0,
                 most_tokens, "tokens at most"};
  work.progress(state);

  const AnswerDone done = [&](size_t index, Generated generated) -> Status {
    saved_tokens += prompts[index].max_new_tokens - generated.tokens.size();
    return Put(std::move(generated), lane.lane, pending[index], work.store);
  };
  const GenerationStep step = [&](size_t num_tokens) {
    state.done = std::min(most_tokens, num_tokens + saved_tokens);
    work.progress(state);
  };
  BITLOSS_TRY(const LaneWeights* weights, HoldWhole(lane.named));
  BITLOSS_TRY(const GenerationSpeed speed,
              Generate(work.crew.transformer(), *weights, prompts, options_, done, step));
  const Timing decode{lane.lane, TimingKind::kDecode, fmt::format("{}", suite_.index),
                      speed.decode_seconds, speed.decode_tokens};
  BITLOSS_DO(work.store.PutTimings({&decode, 1}));
  return work.store.PutPeakMemory(lane.lane, PeakResidentBytes());
}

// One batch for each lane and rank.
Status AnswerPass::AnswerOnRanks(const PassWork& work) const {
  std::vector<Crew::Question> batches;
  std::vector<std::vector<size_t>> prompts;  // of each batch
  Progress state{fmt::format("{} answers", suite_.suite.suite.id), 0, 0, "answers"};
  for (const StudyLane& lane : work.crew.lanes()) {
    BITLOSS_TRY(const std::vector<size_t> pending, Pending(work.store, lane.lane));
    state.total += pending.size();
    // Every so many prompts, so that long answers spread over the batches.
    const size_t num_batches = std::min(work.crew.num_ranks(), pending.size());
    for (size_t first = 0; first < num_batches; ++first) {
      Crew::Question& batch = batches.emplace_back();
      batch.lane = &lane;
      batch.options = options_;
      prompts.emplace_back();
      for (size_t at = first; at < pending.size(); at += work.crew.num_ranks()) {
        prompts.back().push_back(pending[at]);
        batch.prompts.push_back(suite_.suite.prompts[pending[at]]);
      }
    }
  }
  work.progress(state);
  return work.crew.AnswerBatches(batches, [&](size_t batch, Crew::Answers answers) -> Status {
    const size_t lane = batches[batch].lane->lane;
    for (size_t i = 0; i < prompts[batch].size(); ++i) {
      BITLOSS_DO(Put(std::move(answers.answers[i]), lane, prompts[batch][i], work.store));
    }
    const Timing decode{lane, TimingKind::kDecode,
                        fmt::format("{}/{}", suite_.index, prompts[batch][0]),
                        answers.speed.decode_seconds, answers.speed.decode_tokens};
    BITLOSS_DO(work.store.PutTimings({&decode, 1}));
    state.done += prompts[batch].size();
    work.progress(state);
    return work.store.PutPeakMemory(lane, PeakResidentBytes());
  });
}

Status AnswerPass::Put(Generated generated, size_t lane, size_t prompt, Store& store) const {
  const Timing timing{lane, TimingKind::kAnswer, AnswerTimingKey(suite_.index, prompt),
                      generated.seconds, generated.tokens.size()};
  const Answer answer = ToAnswer(std::move(generated), suite_, lane, prompt);
  BITLOSS_DO(store.PutAnswers({&answer, 1}));
  return store.PutTimings({&timing, 1});
}

}  // namespace bitloss

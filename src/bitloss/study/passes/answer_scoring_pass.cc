#include "bitloss/study/passes/answer_scoring_pass.h"

#include <algorithm>

namespace bitloss {

Result<bool> AnswerScoringPass::IsPending(const Store& store, std::span<const size_t> lanes) const {
  BITLOSS_TRY(const AnswerForks forks, Forks(store, lanes));
  BITLOSS_TRY(const std::vector<size_t> pending, Pending(store, forks, lanes));
  return !pending.empty();
}

Result<bool> AnswerScoringPass::NeedsBaseline(const Store& store, const BaselineRows& rows,
                                              std::span<const size_t> lanes) const {
  BITLOSS_TRY(const AnswerForks forks, Forks(store, lanes));
  BITLOSS_TRY(std::vector<size_t> pending, Pending(store, forks, lanes));
  BITLOSS_TRY(const size_t num_kept, PutKeptFirst(rows, rows_list(), pending));
  return num_kept < pending.size();
}

Result<std::vector<size_t>> AnswerScoringPass::Pending(const Store& store, const AnswerForks& forks,
                                                       std::span<const size_t> lanes) const {
  std::vector<size_t> pending;
  for (size_t prompt = 0; prompt < suite_.suite.prompts.size(); ++prompt) {
    bool is_pending = forks.IsPending(prompt);
    for (size_t i = 0; i < lanes.size() && !is_pending; ++i) {
      BITLOSS_TRY(const bool has, store.HasAnswerScores(lanes[i], suite_.index, prompt));
      is_pending = !has;
    }
    if (is_pending) pending.push_back(prompt);
  }
  return pending;
}

Status AnswerScoringPass::Run(const PassWork& work) const {
  const std::vector<size_t> lanes = LaneNumbers(work.crew.lanes());
  BITLOSS_TRY(const AnswerForks forks, Forks(work.store, lanes));
  BITLOSS_TRY(std::vector<size_t> prompts, Pending(work.store, forks, lanes));
  BITLOSS_TRY(const std::vector<Answer> answers, work.store.Answers(0, suite_.index));
  const std::vector<GenerationPrompt>& asked = suite_.suite.prompts;
  BITLOSS_CHECK(answers.size() == asked.size());
  BITLOSS_TRY(const size_t num_kept, PutKeptFirst(work.rows, rows_list(), prompts));

  std::vector<std::vector<int32_t>> tokens;
  std::vector<ScoredSequence> sequences;
  for (const size_t prompt : prompts) {
    std::vector<int32_t>& sequence = tokens.emplace_back(asked[prompt].tokens);
    const std::vector<TokenId>& answer = answers[prompt].token_ids;
    sequence.insert(sequence.end(), answer.begin(), answer.end());
    const std::span<const int32_t> continuation = forks.Continuation(prompt);
    sequence.insert(sequence.end(), continuation.begin(), continuation.end());
    sequences.push_back({sequence, asked[prompt].tokens.size(), forks.Questions(prompt)});
  }

  Progress state{fmt::format("{} answers, every lane on the baseline's", suite_.suite.suite.id),
                 asked.size() - prompts.size(), asked.size(), "prompts"};
  work.progress(state);
  const ItemScoring scoring{work, work.crew.lanes(), rows_list()};
  const auto score = [&](size_t first, size_t count, BaselineRowsAre rows) {
    const std::span<const size_t> part = std::span(prompts).subspan(first, count);
    return scoring.Score(
        std::span(sequences).subspan(first, count), part, rows,
        [&](size_t from, size_t to, Scorer::GroupScores group) -> Status {
          BITLOSS_DO(Put(scoring, forks, answers, part.subspan(from, to - from), std::move(group)));
          state.done += to - from;
          work.progress(state);
          return Ok();
        });
  };
  BITLOSS_DO(score(0, num_kept, BaselineRowsAre::kKept));
  return score(num_kept, prompts.size() - num_kept, BaselineRowsAre::kMade);
}

Status AnswerScoringPass::Put(const ItemScoring& scoring, const AnswerForks& forks,
                              std::span<const Answer> baseline, std::span<const size_t> prompts,
                              Scorer::GroupScores group) const {
  Store& store = scoring.work.store;
  std::vector<AnswerScores> records;
  std::vector<AnswerFork> parted;
  for (size_t i = 0; i < prompts.size(); ++i) {
    std::ranges::move(forks.Records(prompts[i], group.question_nll[i]), std::back_inserter(parted));
    NameLanes(scoring.lanes, group.sequences[i]);
    for (TokenScores& scores : group.sequences[i]) {
      // What continues the answer is not the answer's own.
      TrimTo(baseline[prompts[i]].token_ids.size(), scores);
      records.push_back({suite_.index, prompts[i], std::move(scores)});
    }
  }
  BITLOSS_DO(store.PutAnswerScores(records));
  return store.PutAnswerForks(parted);
}

}  // namespace bitloss

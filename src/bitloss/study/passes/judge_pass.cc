#include "bitloss/study/passes/judge_pass.h"

#include <algorithm>
#include <set>

#include "bitloss/base/sum.h"
#include "bitloss/study/answer_forks.h"
#include "bitloss/study/passes/item_scoring.h"

namespace bitloss {

Result<bool> JudgePass::IsPending(const Store& store, std::span<const size_t> lanes) const {
  BITLOSS_TRY(const std::vector<Answer> baseline, store.Answers(0, suite_.index));
  for (const size_t lane : lanes) {
    BITLOSS_TRY(const std::vector<Answer> pending, Pending(store, lane, baseline));
    if (!pending.empty()) return true;
  }
  return false;
}

Result<std::vector<Answer>> JudgePass::Pending(const Store& store, size_t lane,
                                               std::span<const Answer> baseline) const {
  if (lane == 0) return std::vector<Answer>();
  BITLOSS_TRY(std::vector<Answer> answers, store.Answers(lane, suite_.index));
  BITLOSS_TRY(const std::vector<AnswerJudgement> judged,
              store.AnswerJudgements(lane, suite_.index));
  std::set<size_t> known;
  for (const AnswerJudgement& one : judged) known.insert(one.prompt);
  std::erase_if(answers, [&](const Answer& answer) {
    const Answer* base = FindAnswer(baseline, answer.prompt);
    return base == nullptr || known.contains(answer.prompt) || answer.token_ids.empty() ||
           answer.token_ids == base->token_ids;
  });
  return answers;
}

Status JudgePass::Run(const PassWork& work) const {
  BITLOSS_TRY(const std::vector<Answer> baseline, work.store.Answers(0, suite_.index));
  std::vector<Answer> pending;
  for (const StudyLane& lane : work.crew.lanes()) {
    BITLOSS_TRY(std::vector<Answer> of_lane, Pending(work.store, lane.lane, baseline));
    std::ranges::move(of_lane, std::back_inserter(pending));
  }
  if (pending.empty()) return Ok();
  std::vector<std::vector<int32_t>> tokens;
  std::vector<ScoredSequence> sequences;
  for (const Answer& answer : pending) {
    tokens.push_back(suite_.suite.prompts[answer.prompt].tokens);
    const size_t first = tokens.back().size();
    tokens.back().insert(tokens.back().end(), answer.token_ids.begin(), answer.token_ids.end());
    sequences.push_back({tokens.back(), first});
  }

  Progress state{fmt::format("{} answers, judged by the baseline", suite_.suite.suite.id), 0,
                 sequences.size(), "answers"};
  work.progress(state);
  const auto put = [&](size_t begin, size_t end, Scorer::GroupScores group) -> Status {
    std::vector<AnswerJudgement> judged;
    for (size_t at = begin; at < end; ++at) {
      const std::vector<double>& nll = group.sequences[at - begin][0].nll;
      Sum sum;
      for (const double loss : nll) sum.Add(loss);
      judged.push_back({pending[at].lane, suite_.index, pending[at].prompt,
                        static_cast<uint32_t>(nll.size()), sum.Total()});
    }
    BITLOSS_DO(work.store.PutAnswerJudgements(judged));
    state.done += end - begin;
    work.progress(state);
    return Ok();
  };
  const ItemScoring scoring{work, work.crew.lanes().first(1), {RowsOf::kAnswer, suite_.index}};
  return scoring.Score(sequences, {}, BaselineRowsAre::kForgotten, put);
}

}  // namespace bitloss

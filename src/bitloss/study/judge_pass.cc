#include "bitloss/study/judge_pass.h"

#include <algorithm>
#include <set>

#include "bitloss/base/sum.h"
#include "bitloss/eval/scoring.h"

namespace bitloss {
namespace {

const Answer* FindAnswer(std::span<const Answer> answers, size_t prompt) {
  const auto found = std::ranges::lower_bound(answers, prompt, {}, &Answer::prompt);
  return found != answers.end() && found->prompt == prompt ? &*found : nullptr;
}

// Answers of `lane` that differ from the baseline's and were not judged yet.
Result<std::vector<Answer>> PendingOf(const Store& store, size_t suite, size_t lane,
                                      std::span<const Answer> baseline) {
  if (lane == 0) return std::vector<Answer>();
  BITLOSS_TRY(std::vector<Answer> answers, store.Answers(lane, suite));
  BITLOSS_TRY(const std::vector<AnswerJudgement> judged, store.AnswerJudgements(lane, suite));
  std::set<size_t> known;
  for (const AnswerJudgement& one : judged) known.insert(one.prompt);
  std::erase_if(answers, [&](const Answer& answer) {
    const Answer* base = FindAnswer(baseline, answer.prompt);
    return base == nullptr || known.contains(answer.prompt) || answer.token_ids.empty() ||
           answer.token_ids == base->token_ids;
  });
  return answers;
}

}  // namespace

Result<bool> JudgingIsComplete(const Store& store, size_t suite, std::span<const size_t> lanes) {
  BITLOSS_TRY(const std::vector<Answer> baseline, store.Answers(0, suite));
  for (const size_t lane : lanes) {
    BITLOSS_TRY(const std::vector<Answer> pending, PendingOf(store, suite, lane, baseline));
    if (!pending.empty()) return false;
  }
  return true;
}

Status RunJudging(Crew& crew, const StudySuite& suite, size_t suite_index, Store& store,
                  const ProgressSink& progress) {
  const std::span<const StudyLane> lanes = crew.lanes();
  BITLOSS_TRY(const std::vector<Answer> baseline, store.Answers(0, suite_index));
  std::vector<Answer> pending;
  for (const StudyLane& lane : lanes) {
    BITLOSS_TRY(std::vector<Answer> of_lane, PendingOf(store, suite_index, lane.lane, baseline));
    std::ranges::move(of_lane, std::back_inserter(pending));
  }
  if (pending.empty()) return Ok();
  std::vector<std::vector<int32_t>> tokens;
  std::vector<ScoredSequence> sequences;
  for (const Answer& answer : pending) {
    tokens.push_back(suite.prompts[answer.prompt].tokens);
    const size_t first = tokens.back().size();
    tokens.back().insert(tokens.back().end(), answer.token_ids.begin(), answer.token_ids.end());
    sequences.push_back({tokens.back(), first});
  }

  Progress state{fmt::format("{} answers, judged by the baseline", suite.suite.id), 0,
                 sequences.size(), "answers"};
  progress(state);
  const auto groups = crew.room().Groups(sequences, crew.num_ranks());
  const auto group = [&](size_t i) -> Result<Crew::Group> {
    const auto [begin, end] = groups[i];
    return Crew::Group{std::span(sequences).subspan(begin, end - begin)};
  };
  const auto accept = [&](size_t i, Crew::ScoredGroup scored) -> Status {
    const auto [begin, end] = groups[i];
    std::vector<AnswerJudgement> judged;
    for (size_t at = begin; at < end; ++at) {
      const std::vector<double>& nll = scored.scores.sequences[at - begin][0].nll;
      Sum sum;
      for (const double loss : nll) sum.Add(loss);
      judged.push_back({pending[at].lane, suite_index, pending[at].prompt,
                        static_cast<uint32_t>(nll.size()), sum.Total()});
    }
    BITLOSS_DO(store.PutAnswerJudgements(judged));
    state.done += end - begin;
    progress(state);
    return Ok();
  };
  return crew.ScoreGroups(lanes.first(1), groups.size(), false, group, accept);
}

}  // namespace bitloss

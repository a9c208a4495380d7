#include "bitloss/study/answer_pass.h"

#include <algorithm>

#include "bitloss/data/check_answer.h"
#include "bitloss/study/answer_forks.h"
#include "bitloss/study/memory.h"

namespace bitloss {
namespace {

constexpr size_t kGroupTokens = 2048;

std::vector<size_t> LaneNumbers(std::span<const StudyLane> lanes) {
  std::vector<size_t> numbers;
  for (const StudyLane& lane : lanes) numbers.push_back(lane.lane);
  return numbers;
}

std::vector<TopLogits> ToTopLogits(std::span<const std::vector<ScoredToken>> positions) {
  std::vector<TopLogits> records;
  for (const std::vector<ScoredToken>& position : positions) {
    TopLogits& record = records.emplace_back();
    for (const ScoredToken& token : position) {
      record.ids.push_back(token.id);
      record.logits.push_back(token.logit);
    }
  }
  return records;
}

// One lane's answers to the prompts that it lacks.
Status AnswerLane(Transformer& transformer, const StudyLane& lane, const StudySuite& suite,
                  size_t suite_index, std::span<const size_t> pending, const AnswerOptions& options,
                  Store& store, const ProgressSink& progress) {
  if (pending.empty()) return Ok();
  std::vector<GenerationPrompt> prompts;
  uint64_t most_tokens = 0;
  for (const size_t prompt : pending) {
    prompts.push_back(suite.prompts[prompt]);
    most_tokens += prompts.back().max_new_tokens;
  }
  // An answer that ends early saves the tokens that it could have had.
  uint64_t saved_tokens = 0;
  uint64_t num_tokens = 0;
  Progress state{fmt::format("{} answers, {}", suite.suite.id, lane.named.name), 0, most_tokens,
                 "tokens at most"};
  progress(state);

  const AnswerDone done = [&](size_t index, Generated generated) -> Status {
    const size_t prompt = pending[index];
    saved_tokens += prompts[index].max_new_tokens - generated.tokens.size();
    const Timing timing{lane.lane, TimingKind::kAnswer, AnswerTimingKey(suite_index, prompt),
                        generated.seconds, generated.tokens.size()};
    Answer answer = ToAnswer(std::move(generated), suite.suite.prompts[prompt], options.tokenizer);
    answer.lane = lane.lane;
    answer.suite = suite_index;
    answer.prompt = prompt;
    BITLOSS_DO(store.PutAnswers({&answer, 1}));
    return store.PutTimings({&timing, 1});
  };
  const GenerationStep step = [&](size_t tokens) {
    num_tokens = tokens;
    state.done = std::min(most_tokens, num_tokens + saved_tokens);
    progress(state);
  };
  BITLOSS_TRY(const GenerationSpeed speed,
              Generate(transformer, *lane.named.weights, prompts, options.generation, done, step));
  const Timing decode{lane.lane, TimingKind::kDecode, fmt::format("{}", suite_index),
                      speed.decode_seconds, speed.decode_tokens};
  BITLOSS_DO(store.PutTimings({&decode, 1}));
  return store.PutPeakMemory(lane.lane, PeakResidentBytes());
}

// Without what continues the answer: its scores are those of the answer's own tokens.
void TrimTo(size_t num_tokens, LaneScores& scores) {
  for (std::vector<double>* values :
       {&scores.nll, &scores.kl, &scores.kl_reverse, &scores.entropy, &scores.top1_probability}) {
    values->resize(std::min(values->size(), num_tokens));
  }
  scores.top1_agrees.resize(std::min(scores.top1_agrees.size(), num_tokens));
}

}  // namespace

bool PendingAnswers::empty() const {
  return unscored.empty() &&
         std::ranges::all_of(prompts, [](const auto& lane) { return lane.empty(); });
}

Answer ToAnswer(Generated generated, const SuitePrompt& prompt, const Tokenizer& tokenizer) {
  Answer answer;
  answer.text = tokenizer.Decode(generated.tokens, Tokenizer::SpecialOut::kSkip);
  answer.finish = generated.finish == Finish::kEndToken ? FinishReason::kEos : FinishReason::kLimit;
  answer.top_logits = ToTopLogits(generated.top_logits);
  answer.token_ids = std::move(generated.tokens);
  if (!prompt.checks.empty()) {
    const PromptResult result = CheckAnswer(prompt, answer.text);
    answer.check = CheckResult{result.passed, result.score, EvidenceJson(result)};
  }
  return answer;
}

Result<PendingAnswers> FindPendingAnswers(const Store& store, size_t suite, size_t num_prompts,
                                          std::span<const size_t> lanes,
                                          std::span<const int32_t> end_tokens) {
  BITLOSS_TRY(const AnswerForks forks, AnswerForks::Read(store, suite, lanes, end_tokens));
  PendingAnswers pending;
  pending.prompts.resize(lanes.size());
  for (size_t prompt = 0; prompt < num_prompts; ++prompt) {
    bool scored = !forks.IsPending(prompt);
    for (size_t i = 0; i < lanes.size(); ++i) {
      BITLOSS_TRY(const bool has_answer, store.HasAnswer(lanes[i], suite, prompt));
      if (!has_answer) pending.prompts[i].push_back(prompt);
      BITLOSS_TRY(const bool has_scores, store.HasAnswerScores(lanes[i], suite, prompt));
      scored &= has_scores;
    }
    if (!scored) pending.unscored.push_back(prompt);
  }
  return pending;
}

Status RunAnswerPass(Transformer& transformer, std::span<const StudyLane> lanes,
                     const StudySuite& suite, size_t suite_index, const AnswerOptions& options,
                     Store& store, const ProgressSink& progress) {
  BITLOSS_TRY(const PendingAnswers pending,
              FindPendingAnswers(store, suite_index, suite.prompts.size(), LaneNumbers(lanes),
                                 options.generation.end_tokens));
  for (size_t i = 0; i < lanes.size(); ++i) {
    BITLOSS_DO(AnswerLane(transformer, lanes[i], suite, suite_index, pending.prompts[i], options,
                          store, progress));
  }
  return Ok();
}

Status RunAnswerScoring(Transformer& transformer, std::span<const StudyLane> lanes,
                        const StudySuite& suite, size_t suite_index,
                        std::span<const int32_t> end_tokens, Store& store, BaselineRows& rows,
                        const ProgressSink& progress) {
  BITLOSS_TRY(
      const PendingAnswers pending,
      FindPendingAnswers(store, suite_index, suite.prompts.size(), LaneNumbers(lanes), end_tokens));
  BITLOSS_TRY(const AnswerForks forks,
              AnswerForks::Read(store, suite_index, LaneNumbers(lanes), end_tokens));
  BITLOSS_TRY(const std::vector<Answer> answers, store.Answers(0, suite_index));
  BITLOSS_CHECK(answers.size() == suite.prompts.size());
  std::vector<size_t> prompts = pending.unscored;
  BITLOSS_TRY(const size_t num_kept, PutKeptFirst(rows, RowsOf::kAnswer, suite_index, prompts));

  std::vector<std::vector<int32_t>> tokens;
  std::vector<ScoredSequence> sequences;
  for (const size_t prompt : prompts) {
    std::vector<int32_t> sequence = suite.prompts[prompt].tokens;
    sequence.insert(sequence.end(), answers[prompt].token_ids.begin(),
                    answers[prompt].token_ids.end());
    const std::span<const int32_t> continuation = forks.Continuation(prompt);
    sequence.insert(sequence.end(), continuation.begin(), continuation.end());
    tokens.push_back(std::move(sequence));
    sequences.push_back(
        {tokens.back(), suite.prompts[prompt].tokens.size(), forks.Questions(prompt)});
  }

  Scorer scorer(transformer, NamedLanes(lanes));
  Progress state{fmt::format("{} answers, every lane on the baseline's", suite.suite.id),
                 suite.prompts.size() - prompts.size(), suite.prompts.size(), "prompts"};
  const auto score = [&](size_t first, size_t end, bool kept) -> Status {
    const std::span<const ScoredSequence> part = std::span(sequences).subspan(first, end - first);
    for (const auto& [from, to] : GroupByTokens(part, kGroupTokens)) {
      progress(state);
      const std::span<const size_t> group_prompts =
          std::span(prompts).subspan(first + from, to - from);
      BITLOSS_TRY(Scorer::GroupScores group,
                  ScoreItems(scorer, part.subspan(from, to - from), RowsOf::kAnswer, suite_index,
                             group_prompts, kept, rows));
      std::vector<AnswerScores> records;
      std::vector<AnswerFork> parted;
      for (size_t i = 0; i < group_prompts.size(); ++i) {
        const size_t prompt = group_prompts[i];
        std::vector<LaneScores>& of_lanes = group.sequences[i];
        std::ranges::move(forks.Records(prompt, of_lanes), std::back_inserter(parted));
        for (size_t lane = 0; lane < lanes.size(); ++lane) {
          TrimTo(answers[prompt].token_ids.size(), of_lanes[lane]);
          records.push_back(
              {suite_index, prompt, ToRecord(lanes[lane].lane, std::move(of_lanes[lane]))});
        }
      }
      BITLOSS_DO(store.PutAnswerScores(records));
      BITLOSS_DO(store.PutAnswerForks(parted));
      state.done += group_prompts.size();
    }
    return Ok();
  };
  BITLOSS_DO(score(0, num_kept, true));
  BITLOSS_DO(score(num_kept, prompts.size(), false));
  progress(state);
  return Ok();
}

}  // namespace bitloss

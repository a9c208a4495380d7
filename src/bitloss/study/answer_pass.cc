#include "bitloss/study/answer_pass.h"

#include <algorithm>

#include "bitloss/data/check_answer.h"
#include "bitloss/study/answer_forks.h"
#include "bitloss/study/memory.h"

namespace bitloss {
namespace {

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

Status PutAnswer(const StudyLane& lane, const StudySuite& suite, size_t suite_index, size_t prompt,
                 const Tokenizer& tokenizer, Generated generated, Store& store) {
  const Timing timing{lane.lane, TimingKind::kAnswer, AnswerTimingKey(suite_index, prompt),
                      generated.seconds, generated.tokens.size()};
  Answer answer = ToAnswer(std::move(generated), suite, prompt, tokenizer);
  answer.lane = lane.lane;
  answer.suite = suite_index;
  answer.prompt = prompt;
  BITLOSS_DO(store.PutAnswers({&answer, 1}));
  return store.PutTimings({&timing, 1});
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
    saved_tokens += prompts[index].max_new_tokens - generated.tokens.size();
    return PutAnswer(lane, suite, suite_index, pending[index], options.tokenizer,
                     std::move(generated), store);
  };
  const GenerationStep step = [&](size_t tokens) {
    num_tokens = tokens;
    state.done = std::min(most_tokens, num_tokens + saved_tokens);
    progress(state);
  };
  BITLOSS_TRY(const LaneWeights* weights, HoldWhole(lane.named));
  BITLOSS_TRY(const GenerationSpeed speed,
              Generate(transformer, *weights, prompts, options.generation, done, step));
  const Timing decode{lane.lane, TimingKind::kDecode, fmt::format("{}", suite_index),
                      speed.decode_seconds, speed.decode_tokens};
  BITLOSS_DO(store.PutTimings({&decode, 1}));
  return store.PutPeakMemory(lane.lane, PeakResidentBytes());
}

// All lanes' answers to the prompts that they lack, in one batch for each lane and rank.
Status AnswerOnRanks(Crew& crew, const StudySuite& suite, size_t suite_index,
                     const PendingAnswers& pending, const AnswerOptions& options, Store& store,
                     const ProgressSink& progress) {
  std::vector<Crew::Question> batches;
  std::vector<std::vector<size_t>> prompts;  // of each batch
  Progress state{fmt::format("{} answers", suite.suite.id), 0, 0, "answers"};
  for (size_t i = 0; i < crew.lanes().size(); ++i) {
    const std::vector<size_t>& of_lane = pending.prompts[i];
    state.total += of_lane.size();
    // Every so many prompts, so that long answers spread over the batches.
    for (size_t first = 0; first < std::min(crew.num_ranks(), of_lane.size()); ++first) {
      Crew::Question& batch = batches.emplace_back();
      batch.lane = &crew.lanes()[i];
      batch.options = options.generation;
      prompts.emplace_back();
      for (size_t at = first; at < of_lane.size(); at += crew.num_ranks()) {
        prompts.back().push_back(of_lane[at]);
        batch.prompts.push_back(suite.prompts[of_lane[at]]);
      }
    }
  }
  progress(state);
  return crew.AnswerBatches(batches, [&](size_t batch, Crew::Answers answers) -> Status {
    const StudyLane& lane = *batches[batch].lane;
    for (size_t i = 0; i < prompts[batch].size(); ++i) {
      BITLOSS_DO(PutAnswer(lane, suite, suite_index, prompts[batch][i], options.tokenizer,
                           std::move(answers.answers[i]), store));
    }
    const Timing decode{lane.lane, TimingKind::kDecode,
                        fmt::format("{}/{}", suite_index, prompts[batch][0]),
                        answers.speed.decode_seconds, answers.speed.decode_tokens};
    BITLOSS_DO(store.PutTimings({&decode, 1}));
    state.done += prompts[batch].size();
    progress(state);
    return store.PutPeakMemory(lane.lane, PeakResidentBytes());
  });
}

// What checks look at. Where the marks of thinking are control tokens, the text lacks them.
std::string ScoredText(std::span<const TokenId> tokens, const std::string& text, Thinking thinking,
                       const Tokenizer& tokenizer) {
  if (thinking == Thinking::kNone) return text;
  const std::optional<TokenId> end = tokenizer.Find("</think>");
  const auto last = end ? std::find(tokens.rbegin(), tokens.rend(), *end) : tokens.rend();
  if (last != tokens.rend()) {
    const auto after = static_cast<size_t>(tokens.rend() - last);
    const std::string rest = tokenizer.Decode(tokens.subspan(after), Tokenizer::SpecialOut::kSkip);
    return std::string(AfterThinking("</think>" + rest, Thinking::kOpened));
  }
  return std::string(
      AfterThinking(tokenizer.Decode(tokens, Tokenizer::SpecialOut::kKeep), thinking));
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

Answer ToAnswer(Generated generated, const StudySuite& suite, size_t prompt_index,
                const Tokenizer& tokenizer) {
  const SuitePrompt& prompt = suite.suite.prompts[prompt_index];
  Answer answer;
  answer.text = tokenizer.Decode(generated.tokens, Tokenizer::SpecialOut::kSkip);
  answer.finish = generated.finish == Finish::kEndToken ? FinishReason::kEos : FinishReason::kLimit;
  answer.top_logits = ToTopLogits(generated.top_logits);
  answer.token_ids = std::move(generated.tokens);
  if (!prompt.checks.empty()) {
    const std::string scored =
        ScoredText(answer.token_ids, answer.text, suite.thinking[prompt_index], tokenizer);
    const PromptResult result = CheckAnswer(prompt, scored);
    answer.check = CheckResult{.passed = result.passed(),
                               .undecided = result.outcome == CheckOutcome::kUndecided,
                               .score = result.score,
                               .evidence = EvidenceJson(result)};
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

Status RunAnswerPass(Crew& crew, const StudySuite& suite, size_t suite_index,
                     const AnswerOptions& options, Store& store, const ProgressSink& progress) {
  BITLOSS_TRY(const PendingAnswers pending,
              FindPendingAnswers(store, suite_index, suite.prompts.size(),
                                 LaneNumbers(crew.lanes()), options.generation.end_tokens));
  if (crew.num_ranks() > 1) {
    return AnswerOnRanks(crew, suite, suite_index, pending, options, store, progress);
  }
  for (size_t i = 0; i < crew.lanes().size(); ++i) {
    BITLOSS_DO(AnswerLane(crew.transformer(), crew.lanes()[i], suite, suite_index,
                          pending.prompts[i], options, store, progress));
  }
  return Ok();
}

Status RunAnswerScoring(Crew& crew, const StudySuite& suite, size_t suite_index,
                        std::span<const int32_t> end_tokens, Store& store, BaselineRows& rows,
                        const ProgressSink& progress) {
  const std::span<const StudyLane> lanes = crew.lanes();
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

  Progress state{fmt::format("{} answers, every lane on the baseline's", suite.suite.id),
                 suite.prompts.size() - prompts.size(), suite.prompts.size(), "prompts"};
  const auto score = [&](size_t first, size_t end, bool kept) -> Status {
    const std::span<const size_t> part = std::span(prompts).subspan(first, end - first);
    const auto put = [&](size_t from, size_t to, Scorer::GroupScores group) -> Status {
      std::vector<AnswerScores> records;
      std::vector<AnswerFork> parted;
      for (size_t i = from; i < to; ++i) {
        const size_t prompt = part[i];
        std::vector<LaneScores>& of_lanes = group.sequences[i - from];
        std::ranges::move(forks.Records(prompt, of_lanes), std::back_inserter(parted));
        for (size_t lane = 0; lane < lanes.size(); ++lane) {
          TrimTo(answers[prompt].token_ids.size(), of_lanes[lane]);
          records.push_back(
              {suite_index, prompt, ToRecord(lanes[lane].lane, std::move(of_lanes[lane]))});
        }
      }
      BITLOSS_DO(store.PutAnswerScores(records));
      BITLOSS_DO(store.PutAnswerForks(parted));
      state.done += to - from;
      progress(state);
      return Ok();
    };
    progress(state);
    return ScoreItems(crew, lanes, std::span(sequences).subspan(first, end - first),
                      RowsOf::kAnswer, suite_index, part, kept, rows, put);
  };
  BITLOSS_DO(score(0, num_kept, true));
  BITLOSS_DO(score(num_kept, prompts.size(), false));
  progress(state);
  return Ok();
}

}  // namespace bitloss

#include "bitloss/study/answer_forks.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "bitloss/metrics/similarity.h"

namespace bitloss {
namespace {

// What an answer says at `position`: its token, or one of those that end it. Empty: it was cut.
std::vector<int32_t> SaidAt(const Answer& answer, size_t position,
                            std::span<const int32_t> end_tokens) {
  if (position < answer.token_ids.size()) return {answer.token_ids[position]};
  if (answer.finish != FinishReason::kEos) return {};
  return {end_tokens.begin(), end_tokens.end()};
}

// -ln of the probability of any of the tokens with these losses. The smallest loss is taken out of
// the sum, so that unlikely tokens keep their digits.
double LossOfAny(std::span<const double> losses) {
  const double least = *std::ranges::min_element(losses);
  if (losses.size() == 1 || std::isinf(least)) return least;
  double sum = 0.0;
  for (const double loss : losses) sum += std::exp(least - loss);
  return least - std::log(sum);
}

}  // namespace

const Answer* FindAnswer(std::span<const Answer> answers, size_t prompt) {
  const auto found = std::ranges::lower_bound(answers, prompt, {}, &Answer::prompt);
  return found != answers.end() && found->prompt == prompt ? &*found : nullptr;
}

Result<AnswerForks> AnswerForks::Read(const Store& store, size_t suite,
                                      std::span<const size_t> lanes,
                                      std::span<const int32_t> end_tokens) {
  AnswerForks forks;
  forks.end_tokens_.assign(end_tokens.begin(), end_tokens.end());
  BITLOSS_TRY(const std::vector<Answer> baseline, store.Answers(0, suite));
  for (const Answer& answer : baseline) {
    if (answer.finish == FinishReason::kEos) forks.ended_.insert(answer.prompt);
  }
  for (size_t place = 0; place < lanes.size(); ++place) {
    if (lanes[place] == 0) continue;
    BITLOSS_TRY(const std::vector<Answer> answers, store.Answers(lanes[place], suite));
    BITLOSS_TRY(const std::vector<AnswerFork> stored, store.AnswerForks(lanes[place], suite));
    std::set<size_t> known;
    for (const AnswerFork& fork : stored) known.insert(fork.prompt);
    for (const Answer& answer : answers) {
      const Answer* base = FindAnswer(baseline, answer.prompt);
      if (base == nullptr) continue;
      const std::optional<size_t> position = FirstDivergence(base->token_ids, answer.token_ids);
      if (!position || SaidAt(*base, *position, end_tokens).empty() ||
          SaidAt(answer, *position, end_tokens).empty()) {
        continue;
      }
      Prompt& prompt = forks.prompts_[answer.prompt];
      prompt.pending |= !known.contains(answer.prompt);
      AnswerFork record{.lane = lanes[place], .suite = suite, .prompt = answer.prompt};
      record.position = static_cast<uint32_t>(*position);
      prompt.forks.push_back({place, record, SaidAt(*base, *position, end_tokens),
                              SaidAt(answer, *position, end_tokens)});
    }
  }
  for (auto& [number, prompt] : forks.prompts_) prompt.Ask();
  return forks;
}

void AnswerForks::Prompt::Ask() {
  std::ranges::stable_sort(forks, {}, [](const Fork& fork) { return fork.record.position; });
  for (Fork& fork : forks) {
    fork.first_question = questions.size();
    for (const auto* said : {&fork.baseline_says, &fork.lane_says}) {
      for (const int32_t token : *said) questions.push_back({fork.record.position, token});
    }
  }
}

const AnswerForks::Prompt* AnswerForks::Find(size_t prompt) const {
  const auto found = prompts_.find(prompt);
  return found == prompts_.end() ? nullptr : &found->second;
}

bool AnswerForks::IsPending(size_t prompt) const {
  const Prompt* found = Find(prompt);
  return found != nullptr && found->pending;
}

std::span<const int32_t> AnswerForks::Continuation(size_t prompt) const {
  if (!ended_.contains(prompt)) return {};
  return std::span(end_tokens_).first(1);
}

std::span<const ScoredSequence::Question> AnswerForks::Questions(size_t prompt) const {
  const Prompt* found = Find(prompt);
  if (found == nullptr) return {};
  return found->questions;
}

std::vector<AnswerFork> AnswerForks::Records(
    size_t prompt, std::span<const std::vector<double>> question_nll) const {
  const Prompt* found = Find(prompt);
  if (found == nullptr) return {};
  std::vector<AnswerFork> records;
  for (const Fork& fork : found->forks) {
    const size_t first = fork.first_question;
    const size_t num_baseline = fork.baseline_says.size();
    const auto losses = [&](size_t place, size_t begin, size_t count) {
      return LossOfAny(std::span(question_nll[place]).subspan(begin, count));
    };
    const size_t num_lane = fork.lane_says.size();
    AnswerFork& record = records.emplace_back(fork.record);
    record.baseline_token_in_baseline = losses(0, first, num_baseline);
    record.baseline_token_in_lane = losses(fork.place, first, num_baseline);
    record.lane_token_in_baseline = losses(0, first + num_baseline, num_lane);
    record.lane_token_in_lane = losses(fork.place, first + num_baseline, num_lane);
  }
  return records;
}

}  // namespace bitloss

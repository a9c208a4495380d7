#include "bitloss/report/suite_results.h"

#include <algorithm>

#include "bitloss/base/sum.h"
#include "bitloss/stats/clustered_mean.h"

namespace bitloss {
namespace {

const Answer* FindAnswer(const LaneAnswers& lane, size_t prompt) {
  const auto found = std::ranges::lower_bound(lane.answers, prompt, {}, &Answer::prompt);
  return found != lane.answers.end() && found->prompt == prompt ? &*found : nullptr;
}

const TokenScores* FindScores(const LaneAnswers& lane, size_t prompt) {
  const auto found = std::ranges::lower_bound(lane.scores, prompt, {}, &AnswerScores::prompt);
  return found != lane.scores.end() && found->prompt == prompt ? &found->scores : nullptr;
}

// A prompt with checks whose answer failed to come is not passed, so one side's check is enough.
Outcome Compare(const Answer* baseline, const Answer& ours) {
  if (baseline == nullptr || (!baseline->check && !ours.check)) return Outcome::kUnchecked;
  const auto undecided = [](const Answer& answer) {
    return answer.check && answer.check->undecided;
  };
  if (undecided(*baseline) || undecided(ours)) return Outcome::kUndecided;
  const bool before = baseline->check && baseline->check->passed;
  const bool after = ours.check && ours.check->passed;
  if (before) return after ? Outcome::kBothPass : Outcome::kRegression;
  return after ? Outcome::kRecovery : Outcome::kNeitherPasses;
}

// Sums over a span of per-token values, one entry for each prompt.
UnitSum SumOf(size_t prompt, std::span<const double> values) {
  Sum sum;
  for (const double value : values) sum.Add(value);
  return {static_cast<uint32_t>(prompt), sum.Total(), values.size()};
}

// Mean loss of the answer's tokens in the baseline: of an answer like the baseline's the baseline's
// own, of another what it was judged at.
std::optional<double> BaselineLoss(const Answer& ours, const Answer* before,
                                   const LaneAnswers& baseline, const LaneAnswers& lane) {
  if (before != nullptr && before->token_ids == ours.token_ids) {
    const TokenScores* own = FindScores(baseline, ours.prompt);
    if (own == nullptr || own->nll.empty()) return std::nullopt;
    const UnitSum sum = SumOf(ours.prompt, own->nll);
    return sum.sum / static_cast<double>(sum.count);
  }
  const auto judged =
      std::ranges::lower_bound(lane.judgements, ours.prompt, {}, &AnswerJudgement::prompt);
  if (judged == lane.judgements.end() || judged->prompt != ours.prompt) return std::nullopt;
  return judged->nll / judged->num_tokens;
}

AnswerResult MeasureAnswer(const Answer& ours, const LaneAnswers& baseline,
                           const LaneAnswers& lane) {
  AnswerResult result;
  result.answer = ours;
  if (const auto found = lane.seconds.find(ours.prompt); found != lane.seconds.end()) {
    result.seconds = found->second;
  }
  const Answer* before = FindAnswer(baseline, ours.prompt);
  result.baseline_loss = BaselineLoss(ours, before, baseline, lane);
  if (&lane == &baseline) return result;
  result.outcome = Compare(before, ours);
  result.identical = before != nullptr && before->finish == ours.finish &&
                     before->token_ids == ours.token_ids && before->text == ours.text;
  const TokenScores* scores = FindScores(lane, ours.prompt);
  if (before != nullptr) {
    const auto fork = std::ranges::lower_bound(lane.forks, ours.prompt, {}, &AnswerFork::prompt);
    const bool known = fork != lane.forks.end() && fork->prompt == ours.prompt;
    result.fork = FindFork(*before, ours, known ? &*fork : nullptr);
  }
  if (scores != nullptr && !scores->kl.empty()) {
    const UnitSum sum = SumOf(ours.prompt, scores->kl);
    result.mean_kl = sum.sum / static_cast<double>(sum.count);
    result.num_kl_tokens = sum.count;
  }
  return result;
}

void CountOutcome(const AnswerResult& answer, PromptCounts& counts) {
  counts.num_completed += answer.completed() ? 1 : 0;
  const bool checked = answer.answer.check || answer.outcome != Outcome::kUnchecked;
  counts.num_checked += checked ? 1 : 0;
  counts.num_undecided += answer.undecided() ? 1 : 0;
  counts.num_passed += answer.passed() ? 1 : 0;
  const bool was_passed =
      answer.outcome == Outcome::kBothPass || answer.outcome == Outcome::kRegression;
  const bool compared =
      answer.outcome != Outcome::kUnchecked && answer.outcome != Outcome::kUndecided;
  counts.num_compared += compared ? 1 : 0;
  counts.num_baseline_passed += was_passed ? 1 : 0;
  counts.num_regressions += answer.outcome == Outcome::kRegression ? 1 : 0;
  counts.num_recoveries += answer.outcome == Outcome::kRecovery ? 1 : 0;
  counts.num_identical += answer.identical ? 1 : 0;
}

// Counts over the prompts of `category`, or all of them.
PromptCounts Count(std::span<const PromptRecord> prompts, const std::string* category,
                   std::span<const AnswerResult> answers, const LaneAnswers& lane,
                   ThreadPool& threads) {
  const auto counted = [&](size_t prompt) {
    return category == nullptr ||
           (prompt < prompts.size() && prompts[prompt].category == *category);
  };
  PromptCounts counts;
  for (const PromptRecord& prompt : prompts) counts.num_prompts += counted(prompt.prompt) ? 1 : 0;
  Sum seconds;
  uint64_t num_timed = 0;
  std::vector<UnitSum> kl;
  std::vector<UnitSum> agreement;
  for (const AnswerResult& answer : answers) {
    const size_t prompt = answer.answer.prompt;
    if (!counted(prompt)) continue;
    CountOutcome(answer, counts);
    if (answer.seconds) {
      seconds.Add(*answer.seconds);
      ++num_timed;
    }
    const TokenScores* scores = FindScores(lane, prompt);
    if (scores == nullptr) continue;
    if (!scores->kl.empty()) kl.push_back(SumOf(prompt, scores->kl));
    if (!scores->top1_agrees.empty()) {
      const std::vector<double> agrees(scores->top1_agrees.begin(), scores->top1_agrees.end());
      agreement.push_back(SumOf(prompt, agrees));
    }
  }
  if (num_timed > 0) counts.mean_seconds = seconds.Total() / static_cast<double>(num_timed);
  if (!kl.empty()) {
    counts.answer_kl = ClusteredMean(kl, threads, {.range = Range::kPositive});
  }
  if (!agreement.empty()) {
    counts.answer_top1_agreement = ClusteredMean(agreement, threads, {.range = Range::kShare});
  }
  return counts;
}

std::vector<std::string> CategoriesInOrder(std::span<const PromptRecord> prompts) {
  std::vector<std::string> names;
  for (const PromptRecord& prompt : prompts) {
    if (std::ranges::find(names, prompt.category) == names.end()) names.push_back(prompt.category);
  }
  return names;
}

// The least share of prompts that the baseline must pass for regressions to be able to show.
constexpr double kLeastBaselinePassShare = 0.3;

}  // namespace

bool PromptCounts::CanShowRegressions() const {
  return static_cast<double>(num_baseline_passed) >=
         kLeastBaselinePassShare * static_cast<double>(num_compared);
}

PairedTable PromptCounts::Outcomes() const {
  PairedTable table;
  table.base_only = num_regressions;
  table.lane_only = num_recoveries;
  table.both = num_baseline_passed - num_regressions;
  table.neither = num_compared - table.base_only - table.lane_only - table.both;
  return table;
}

std::optional<SuiteResult> MeasureSuite(size_t suite, std::span<const PromptRecord> prompts,
                                        const LaneAnswers& baseline, const LaneAnswers& lane,
                                        ThreadPool& threads) {
  if (lane.answers.empty()) return std::nullopt;
  SuiteResult result;
  result.suite = suite;
  result.complete = lane.answers.size() == prompts.size();
  for (const Answer& answer : lane.answers) {
    result.answers.push_back(MeasureAnswer(answer, baseline, lane));
  }
  result.counts = Count(prompts, nullptr, result.answers, lane, threads);
  for (const std::string& name : CategoriesInOrder(prompts)) {
    result.categories.push_back(
        {.name = name, .counts = Count(prompts, &name, result.answers, lane, threads)});
  }
  return result;
}

const AnswerResult* FindAnswer(const SuiteResult& suite, size_t prompt) {
  const auto found = std::ranges::lower_bound(
      suite.answers, prompt, {}, [](const AnswerResult& result) { return result.answer.prompt; });
  return found != suite.answers.end() && found->answer.prompt == prompt ? &*found : nullptr;
}

}  // namespace bitloss

#include "bitloss/report/signals.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "bitloss/base/text.h"
#include "bitloss/metrics/degeneration.h"
#include "bitloss/metrics/refusal.h"
#include "bitloss/metrics/script.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/suite_results.h"
#include "bitloss/stats/clustered_mean.h"

namespace bitloss {
namespace {

// What a sign is looked for in.
struct Subject {
  const AnswerResult& answer;
  const AnswerResult& baseline;  // the baseline's answer to the same prompt
  const PromptRecord& prompt;

  const std::string& text() const { return answer.answer.text; }
  const std::vector<int32_t>& tokens() const { return answer.answer.token_ids; }
};

// A number of one answer; none if it is too short to have it.
using SignalOf = std::optional<double> (*)(const Subject& subject);

template <size_t n>
std::optional<double> Repeated(const Subject& subject) {
  return RepeatedNgramShare(subject.tokens(), n);
}
std::optional<double> Phrases(const Subject& subject) { return PhrasesPerToken(subject.tokens()); }
std::optional<double> LogLengthRatio(const Subject& subject) {
  const size_t ours = subject.tokens().size();
  const size_t base = subject.baseline.answer.token_ids.size();
  if (ours == 0 || base == 0) return std::nullopt;
  return std::log(static_cast<double>(ours) / static_cast<double>(base));
}
std::optional<double> Echo(const Subject& subject) {
  return PromptEcho(subject.text(), subject.prompt.text);
}
std::optional<double> OtherScript(const Subject& subject) {
  const PromptRecord& prompt = subject.prompt;
  return ScriptDrift(subject.text(),
                     prompt.scripts.empty() ? ScriptsOf(prompt.text) : prompt.scripts);
}
std::optional<double> Refuses(const Subject& subject) {
  return FindRefusal(subject.text()) ? 1.0 : 0.0;
}
std::optional<double> NotText(const Subject& subject) {
  const std::string& text = subject.text();
  return FindInvalidUtf8(text) || text.find("\uFFFD") != std::string::npos ? 1.0 : 0.0;
}
std::optional<double> Loss(const Subject& subject) { return subject.answer.baseline_loss; }

struct Kind {
  const char* id;
  const char* name;
  const char* unit;
  SignalOf measure;
  double scale;                 // of what people read
  bool comparison;              // says something of a lane alone: the change is the signal
  Range range = Range::kShare;  // of the level
};

constexpr std::array<Kind, 10> kKinds = {{
    {"repeated_2", "Repeated pairs", "% of token pairs", Repeated<2>, 100, false},
    {"repeated_3", "Repeated triples", "% of 3-grams", Repeated<3>, 100, false},
    {"repeated_4", "Repeated fours", "% of 4-grams", Repeated<4>, 100, false},
    {"phrases", "New phrases", "per 100 tokens", Phrases, 100, false},
    {"log_length_ratio", "Length", "ln of the ratio", LogLengthRatio, 1, true, Range::kAny},
    {"prompt_echo", "Prompt echo", "% of the answer", Echo, 100, false},
    {"script_drift", "Script drift", "% of letters", OtherScript, 100, false},
    {"refusal", "Refusals", "% of answers", Refuses, 100, false},
    {"not_text", "Not text", "% of answers", NotText, 100, false},
    {"baseline_loss", "Odd to the baseline", "nats/token", Loss, 1, false, Range::kPositive},
}};

std::optional<Estimate> MeanOf(std::span<const ClusterSum> values, Range range,
                               ThreadPool& threads) {
  if (values.empty()) return std::nullopt;
  return ClusteredMean(values, threads, {.range = range});
}

// Whether the study holds the losses of all answers: those that are the baseline's own are always
// there, and a mean over them alone would say that nothing changed.
bool AllJudged(const SuiteResult& lane) {
  return std::ranges::all_of(lane.answers, [](const AnswerResult& answer) {
    return answer.baseline_loss || answer.answer.token_ids.empty();
  });
}

Signal MeasureSignal(const Kind& kind, const SuiteResult& lane, const SuiteResult& baseline,
                     std::span<const PromptRecord> prompts, ThreadPool& threads) {
  if (kind.measure == Loss && !AllJudged(lane)) return {.id = kind.id};
  std::vector<ClusterSum> means;
  std::vector<ClusterSum> changes;
  for (const AnswerResult& answer : lane.answers) {
    const AnswerResult* before = FindAnswer(baseline, answer.answer.prompt);
    if (before == nullptr || !answer.completed() || !before->completed()) continue;
    const PromptRecord& prompt = prompts[answer.answer.prompt];
    const std::optional<double> ours = kind.measure({answer, *before, prompt});
    const std::optional<double> base = kind.measure({*before, *before, prompt});
    if (ours) means.push_back({*ours, 1});
    if (ours && base) changes.push_back({*ours - *base, 1});
  }
  Signal signal{.id = kind.id, .num_prompts = means.size(), .mean = {}, .change = {}};
  if (!kind.comparison) signal.mean = MeanOf(means, kind.range, threads);
  if (&lane != &baseline) signal.change = MeanOf(changes, Range::kAny, threads);
  return signal;
}

// Whether any lane shows it: a column of zeros says nothing.
bool IsShown(const ReportData& report, size_t suite, size_t signal) {
  return std::ranges::any_of(report.lanes, [&](const LaneResult& lane) {
    const SuiteResult* result = FindSuite(lane, suite);
    if (result == nullptr || result->signals.size() <= signal) return false;
    const Signal& one = result->signals[signal];
    return (one.mean && one.mean->value != 0) || (one.change && one.change->value != 0);
  });
}

Cell SignalCell(const Kind& kind, const Signal& signal) {
  const auto amount = [&](double value) {
    return fmt::format("{:.{}f}", kind.scale * value, kind.scale == 1 ? 3 : 1);
  };
  const auto change = [&](double value) {
    return fmt::format("{:+.{}f}", kind.scale * value, kind.scale == 1 ? 3 : 1);
  };
  if (kind.comparison) {
    if (!signal.change) return {};
    return {change(signal.change->value), FormatInterval(*signal.change, change)};
  }
  if (!signal.mean) return {};
  Cell cell{amount(signal.mean->value), ""};
  cell.note = signal.change
                  ? change(signal.change->value) + " " + FormatInterval(*signal.change, change)
                  : FormatInterval(*signal.mean, amount);
  return cell;
}

}  // namespace

void AddSignals(ReportData& report, ThreadPool& threads) {
  for (LaneResult& lane : report.lanes) {
    for (SuiteResult& suite : lane.suites) {
      const SuiteResult* baseline = FindSuite(report.lanes[0], suite.suite);
      if (baseline == nullptr) continue;
      for (const Kind& kind : kKinds) {
        suite.signals.push_back(
            MeasureSignal(kind, suite, *baseline, report.prompts[suite.suite], threads));
      }
    }
  }
}

Table SignalTable(const ReportData& report, size_t suite) {
  Table table{{{"Lane", "", Align::kLeft}}, {}};
  std::vector<size_t> shown;
  for (size_t k = 0; k < kKinds.size(); ++k) {
    if (!IsShown(report, suite, k)) continue;
    shown.push_back(k);
    table.columns.push_back({kKinds[k].name, kKinds[k].unit, Align::kRight});
  }
  if (shown.empty()) return {};
  for (const LaneResult& lane : report.lanes) {
    const SuiteResult* result = FindSuite(lane, suite);
    if (result == nullptr) continue;
    std::vector<Cell> row = {{lane.record.scheme, ""}};
    for (const size_t k : shown) row.push_back(SignalCell(kKinds[k], result->signals[k]));
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace bitloss

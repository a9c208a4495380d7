#include "bitloss/report/failures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "bitloss/metrics/degeneration.h"
#include "bitloss/report/numbers.h"
#include "bitloss/stats/proportion.h"

namespace bitloss {
namespace {

struct Kind {
  Failure failure;
  const char* name;
};
constexpr std::array<Kind, 5> kKinds = {{{Failure::kError, "Errors"},
                                         {Failure::kEmpty, "Empty"},
                                         {Failure::kLimit, "Cut at the limit"},
                                         {Failure::kLoop, "End in a loop"},
                                         {Failure::kEndsEarly, "End early"}}};

std::string Percents(const Interval& interval) {
  return fmt::format("[{:.0f}, {:.0f}] %", 100 * interval.low, 100 * interval.high);
}

std::string ShareNote(uint64_t part, uint64_t whole) {
  return Percents(WilsonInterval(part, whole));
}

const AnswerResult* FindAnswer(const SuiteResult& suite, size_t prompt) {
  const auto found = std::ranges::lower_bound(
      suite.answers, prompt, {}, [](const AnswerResult& result) { return result.answer.prompt; });
  return found != suite.answers.end() && found->answer.prompt == prompt ? &*found : nullptr;
}

Cell FailureCell(const SuiteResult& lane, const SuiteResult& baseline, Failure failure) {
  uint64_t count = 0;
  uint64_t fresh = 0;
  for (const AnswerResult& answer : lane.answers) {
    const AnswerResult* before = FindAnswer(baseline, answer.answer.prompt);
    if (before == nullptr || !ShowsFailure(answer, *before, failure)) continue;
    ++count;
    fresh += ShowsFailure(*before, *before, failure) ? 0 : 1;
  }
  Cell cell{fmt::format("{}/{}", count, lane.answers.size()),
            ShareNote(count, lane.answers.size())};
  if (&lane != &baseline) cell.note = fmt::format("{} new; ", fresh) + cell.note;
  return cell;
}

// Whether any lane shows it: a column of zeros says nothing.
bool AnyShows(const Table& table, size_t column) {
  return std::ranges::any_of(table.rows, [&](const std::vector<Cell>& row) {
    return !row[column].value.empty() && !row[column].value.starts_with("0/");
  });
}

std::vector<Cell> OutcomeCells(const ReportData& report, const SuiteResult& suite, bool baseline) {
  const PromptCounts& counts = suite.counts;
  std::vector<Cell> cells = {{fmt::format("{}/{}", counts.num_passed, counts.num_checked),
                              ShareNote(counts.num_passed, counts.num_checked)}};
  const PairedTable table = CountOutcomes(suite);
  if (baseline || table.Total() == 0) {
    cells.resize(7);
    return cells;
  }
  const Interval net = TangoInterval(table);
  // Of those that the baseline passes: what a user of it would notice.
  const uint64_t had = table.both + table.base_only;
  cells.push_back(
      {fmt::format("{}/{}", table.base_only, had), had > 0 ? ShareNote(table.base_only, had) : ""});
  cells.push_back({std::to_string(table.lane_only), ""});
  cells.push_back({std::to_string(table.neither), ""});
  cells.push_back({fmt::format("{:+.1f}", 100 * NetChange(table)),
                   fmt::format("[{:+.1f}, {:+.1f}]", 100 * net.low, 100 * net.high)});
  cells.push_back({fmt::format("{:.2g}", TestMcNemar(table).mid_p), ""});
  cells.push_back(suite.floor ? Cell{fmt::format("{} / {}", suite.floor->num_regressions,
                                                 suite.floor->num_recoveries),
                                     report.lanes[suite.floor->lane].record.scheme}
                              : Cell{});
  return cells;
}

}  // namespace

bool ShowsFailure(const AnswerResult& answer, const AnswerResult& baseline, Failure failure) {
  const std::vector<int32_t>& tokens = answer.answer.token_ids;
  switch (failure) {
    case Failure::kError:
      return !answer.completed();
    case Failure::kEmpty:
      return answer.completed() && tokens.empty();
    case Failure::kLimit:
      return answer.answer.finish == FinishReason::kLimit;
    case Failure::kLoop:
      return answer.completed() && FindLoop(tokens).has_value();
    case Failure::kEndsEarly:
      return answer.answer.finish == FinishReason::kEos && !tokens.empty() &&
             tokens.size() < baseline.answer.token_ids.size() &&
             EndsEarly(tokens.size(), baseline.answer.token_ids.size());
  }
  return false;
}

bool HardFailuresRose(const SuiteResult& lane, const SuiteResult& baseline, double margin) {
  return std::ranges::any_of(kKinds, [&](const Kind& kind) {
    PairedTable table;
    for (const AnswerResult& answer : lane.answers) {
      const AnswerResult* before = FindAnswer(baseline, answer.answer.prompt);
      if (before == nullptr) continue;
      const bool was = ShowsFailure(*before, *before, kind.failure);
      const bool is = ShowsFailure(answer, *before, kind.failure);
      ++(was ? (is ? table.both : table.base_only) : (is ? table.lane_only : table.neither));
    }
    return table.lane_only > table.base_only && TangoInterval(table).low > margin;
  });
}

Table FailureTable(const ReportData& report, size_t suite) {
  const SuiteResult* baseline = FindSuite(report.lanes[0], suite);
  if (baseline == nullptr) return {};
  Table table{{{"Lane", "", Align::kLeft}}, {}};
  for (const Kind& kind : kKinds) table.columns.push_back({kind.name, "answers", Align::kRight});
  for (const LaneResult& lane : report.lanes) {
    const SuiteResult* result = FindSuite(lane, suite);
    std::vector<Cell> row = {{lane.record.scheme, ""}};
    for (const Kind& kind : kKinds) {
      row.push_back(result == nullptr ? Cell{} : FailureCell(*result, *baseline, kind.failure));
    }
    table.rows.push_back(std::move(row));
  }
  for (size_t column = 1; column < table.columns.size(); ++column) {
    if (AnyShows(table, column)) continue;
    for (std::vector<Cell>& row : table.rows) row[column] = {};
  }
  table.DropEmptyColumns();
  return table;
}

PairedTable CountOutcomes(const SuiteResult& suite) {
  PairedTable table;
  for (const AnswerResult& answer : suite.answers) {
    table.both += answer.outcome == Outcome::kBothPass ? 1 : 0;
    table.base_only += answer.outcome == Outcome::kRegression ? 1 : 0;
    table.lane_only += answer.outcome == Outcome::kRecovery ? 1 : 0;
    table.neither += answer.outcome == Outcome::kNeitherPasses ? 1 : 0;
  }
  return table;
}

Table OutcomeTable(const ReportData& report, size_t suite) {
  Table table{{{"Lane", "", Align::kLeft},
               {"Passed", "prompts", Align::kRight},
               {"Lost", "prompts", Align::kRight},
               {"Regained", "prompts", Align::kRight},
               {"Neither passes", "prompts", Align::kRight},
               {"Net change", "points", Align::kRight},
               {"Chance alone", "mid-p", Align::kRight},
               {"Noise floor", "lost / regained", Align::kRight}},
              {}};
  for (const LaneResult& lane : report.lanes) {
    const SuiteResult* result = FindSuite(lane, suite);
    if (result == nullptr || result->counts.num_checked == 0) continue;
    std::vector<Cell> row = {{lane.record.scheme, ""}};
    for (Cell& cell : OutcomeCells(report, *result, lane.record.baseline))
      row.push_back(std::move(cell));
    table.rows.push_back(std::move(row));
  }
  table.DropEmptyColumns();
  return table;
}

}  // namespace bitloss

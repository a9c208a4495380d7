#include "bitloss/report/failures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "bitloss/metrics/degeneration.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/suite_results.h"
#include "bitloss/stats/proportion.h"

namespace bitloss {
namespace {

struct Kind {
  Failure failure;
  const char* id;
  const char* name;
};
constexpr std::array<Kind, 5> kKinds = {{{Failure::kError, "error", "Errors"},
                                         {Failure::kEmpty, "empty", "Empty"},
                                         {Failure::kLimit, "limit", "Cut at the limit"},
                                         {Failure::kLoop, "loop", "End in a loop"},
                                         {Failure::kEndsEarly, "ends_early", "End early"}}};

std::string Percents(const Interval& interval) {
  return fmt::format("[{:.0f}, {:.0f}] %", 100 * interval.low, 100 * interval.high);
}

// Of a share: "+1.5", "[-0.3, +3.2]".
std::string Points(double change) { return FormatSigned(100 * change, 1); }

std::string Points(const Interval& interval) {
  return "[" + Points(interval.low) + ", " + Points(interval.high) + "]";
}

std::string ShareNote(uint64_t part, uint64_t whole) {
  return Percents(WilsonInterval(part, whole));
}

// Which answers of a lane show a failure, beside the baseline's to the same prompts.
PairedTable CountShown(const SuiteResult& lane, const SuiteResult& baseline, Failure failure) {
  PairedTable table;
  for (const AnswerResult& answer : lane.answers) {
    const AnswerResult* before = FindAnswer(baseline, answer.answer.prompt);
    if (before == nullptr) continue;
    const bool was = ShowsFailure(*before, *before, failure);
    const bool is = ShowsFailure(answer, *before, failure);
    ++(was ? (is ? table.both : table.base_only) : (is ? table.lane_only : table.neither));
  }
  return table;
}

std::optional<FailureCount> CountFailure(const SuiteResult& lane, const SuiteResult& baseline,
                                         const Kind& kind) {
  const PairedTable table = CountShown(lane, baseline, kind.failure);
  if (table.Total() == 0) return std::nullopt;
  FailureCount count{.id = kind.id,
                     .num_answers = table.both + table.lane_only,
                     .num_compared = table.Total(),
                     .num_new = table.lane_only};
  count.share_interval = WilsonInterval(count.num_answers, count.num_compared);
  if (&lane == &baseline) return count;
  count.change = NetChange(table);
  count.change_interval = TangoInterval(table);
  return count;
}

const FailureCount* FindFailure(const LaneResult& lane, size_t suite, const Kind& kind) {
  const SuiteResult* result = FindSuite(lane, suite);
  if (result == nullptr) return nullptr;
  const auto found = std::ranges::find(result->failures, kind.id, &FailureCount::id);
  return found == result->failures.end() ? nullptr : &*found;
}

Cell FailureCell(const FailureCount& count) {
  Cell cell{fmt::format("{}/{}", count.num_answers, count.num_compared), ""};
  if (!count.change) {
    cell.note = Percents(count.share_interval);
  } else {
    cell.note = fmt::format("{} new; {} {}", count.num_new, Points(*count.change),
                            Points(*count.change_interval));
  }
  return cell;
}

// Whether any lane shows it: a column of zeros says nothing.
bool AnyShows(const ReportData& report, size_t suite, const Kind& kind) {
  return std::ranges::any_of(report.lanes, [&](const LaneResult& lane) {
    const FailureCount* count = FindFailure(lane, suite, kind);
    return count != nullptr && count->num_answers > 0;
  });
}

std::vector<Cell> OutcomeCells(const ReportData& report, const SuiteResult& suite, bool baseline) {
  const PromptCounts& counts = suite.counts;
  std::vector<Cell> cells = {{fmt::format("{}/{}", counts.num_passed, counts.num_decided()),
                              ShareNote(counts.num_passed, counts.num_decided())}};
  const PairedTable table = counts.Outcomes();
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
  cells.push_back({Points(NetChange(table)), Points(net)});
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

void AddFailures(ReportData& report) {
  for (LaneResult& lane : report.lanes) {
    for (SuiteResult& suite : lane.suites) {
      const SuiteResult* baseline = FindSuite(report.lanes[0], suite.suite);
      if (baseline == nullptr) continue;
      for (const Kind& kind : kKinds) {
        if (auto count = CountFailure(suite, *baseline, kind)) {
          suite.failures.push_back(std::move(*count));
        }
      }
    }
  }
}

bool HardFailuresRose(const SuiteResult& lane, double margin) {
  return std::ranges::any_of(lane.failures, [&](const FailureCount& failure) {
    if (failure.id == "limit") return false;
    return failure.change_interval && failure.change_interval->low > margin;
  });
}

Table FailureTable(const ReportData& report, size_t suite) {
  if (FindSuite(report.lanes[0], suite) == nullptr) return {};
  Table table{{{"Lane", "", Align::kLeft}}, {}};
  std::vector<const Kind*> shown;
  for (const Kind& kind : kKinds) {
    if (!AnyShows(report, suite, kind)) continue;
    shown.push_back(&kind);
    table.columns.push_back({kind.name, "answers", Align::kRight});
  }
  for (const LaneResult& lane : report.lanes) {
    std::vector<Cell> row = {{lane.record.scheme, ""}};
    for (const Kind* kind : shown) {
      const FailureCount* count = FindFailure(lane, suite, *kind);
      row.push_back(count == nullptr ? Cell{} : FailureCell(*count));
    }
    table.rows.push_back(std::move(row));
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

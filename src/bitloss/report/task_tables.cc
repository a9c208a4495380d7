// What a report shows of tasks.
#include <fmt/format.h>

#include "bitloss/report/numbers.h"
#include "bitloss/report/task_results.h"
#include "bitloss/stats/paired_outcomes.h"
#include "bitloss/stats/power.h"

namespace bitloss {
namespace {

constexpr size_t kMostIds = 20;  // of a lane's lost items; report.json has all

std::string Points(double share) { return FormatSigned(100 * share, 1); }
std::string SignedNats(double nats) {
  const std::string size = FormatDivergence(std::abs(nats));
  return (nats < 0 ? "-" : size == "0" ? "" : "+") + size;
}

Cell AccuracyCell(const TaskResult& task, const TaskDecision& decision) {
  const double share =
      static_cast<double>(decision.num_right) / static_cast<double>(task.num_items);
  return {FormatShare(share), fmt::format("[{}, {}]", FormatShare(decision.share_interval.low),
                                          FormatShare(decision.share_interval.high))};
}

Cell ChangeCell(const TaskDecision& decision) {
  if (!decision.margin_change) return {};
  const Interval interval = TangoInterval(decision.outcomes);
  return {Points(NetChange(decision.outcomes)),
          fmt::format("[{}, {}]", Points(interval.low), Points(interval.high))};
}

Cell MarginCell(const std::optional<Estimate>& margin) {
  if (!margin) return {};
  return {SignedNats(margin->value), FormatInterval(*margin, SignedNats)};
}

std::vector<Cell> CellsOf(const TaskResult& task) {
  const TaskDecision& decision = task.decisions[0];
  std::vector<Cell> cells = {AccuracyCell(task, decision)};
  if (!decision.margin_change) {
    cells.resize(7);
    cells[5] = MarginCell(decision.margin);
    return cells;
  }
  cells.push_back({fmt::format("{} of {}", FormatCount(decision.outcomes.base_only),
                               FormatCount(decision.outcomes.both + decision.outcomes.base_only)),
                   ""});
  cells.push_back({FormatCount(decision.outcomes.lane_only), ""});
  cells.push_back(ChangeCell(decision));
  cells.push_back({FormatDivergence(TestMcNemar(decision.outcomes).exact), ""});
  cells.push_back(MarginCell(decision.margin));
  cells.push_back(MarginCell(decision.margin_change));
  return cells;
}

std::string_view UnitOf(const std::string& measure) {
  if (measure == "acc_norm") return "nats/character";
  return measure == "acc_bytes" ? "nats/byte" : "nats";
}

}  // namespace

Table TaskTable(const ReportData& report, size_t task) {
  const TaskRecord& record = report.manifest.tasks[task];
  const std::string unit(UnitOf(record.kind == "cloze" ? "acc" : record.measure));
  const bool cloze = record.kind == "cloze";
  Table table{{{"Lane", "", Align::kLeft},
               {"Accuracy", "%", Align::kRight},
               {"Lost", "items", Align::kRight},
               {"Regained", "items", Align::kRight},
               {"Change", "points", Align::kRight},
               {"Chance alone", "p", Align::kRight},
               {cloze ? "Log-likelihood" : "Margin", unit, Align::kRight},
               {cloze ? "Change of it" : "Margin's change", unit, Align::kRight},
               {"Perplexity", "", Align::kRight}},
              {}};
  for (const LaneResult& lane : report.lanes) {
    const TaskResult* result = FindTask(lane, task);
    if (result == nullptr) continue;
    std::vector<Cell> row = {{lane.record.scheme, ""}};
    for (Cell& cell : CellsOf(*result)) row.push_back(std::move(cell));
    row.push_back({result->perplexity ? FormatPerplexity(*result->perplexity) : "", ""});
    table.rows.push_back(std::move(row));
  }
  table.DropEmptyColumns();
  return table;
}

Table TaskMeasureTable(const ReportData& report, size_t task) {
  Table table{{{"Lane", "", Align::kLeft}}, {}};
  for (const LaneResult& lane : report.lanes) {
    const TaskResult* result = FindTask(lane, task);
    if (result == nullptr || result->decisions.size() < 2) continue;
    std::vector<Cell> row = {{lane.record.scheme, ""}};
    for (const TaskDecision& decision : result->decisions) {
      if (table.rows.empty()) table.columns.push_back({decision.measure, "%", Align::kRight});
      row.push_back(AccuracyCell(*result, decision));
      if (!decision.margin_change) continue;
      row.back().note = fmt::format("lost {}, regained {}", decision.outcomes.base_only,
                                    decision.outcomes.lane_only);
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string TaskCaption(const ReportData& report, size_t task) {
  const TaskRecord& record = report.manifest.tasks[task];
  std::string caption = fmt::format(
      "{} items, {}{}{}; {} lost and none regained would show harm", FormatCount(record.num_items),
      record.kind == "cloze" ? "each right if the model would have written it" : record.measure,
      record.few_shot_hash.empty() ? "" : ", after examples",
      record.chat ? ", in the chat template" : "", SmallestOneWayFlips(0.05));
  for (const LaneResult& lane : report.lanes) {
    const TaskResult* result = FindTask(lane, task);
    if (result == nullptr || !result->decisions[0].smallest_change) continue;
    const TaskDecision& decision = result->decisions[0];
    caption += fmt::format("; {} could show a change of {} points", lane.record.scheme,
                           FormatFixed(100 * *decision.smallest_change, 1));
    if (decision.smallest_margin_change) {
      caption += fmt::format(" or of {} {}", FormatDivergence(*decision.smallest_margin_change),
                             UnitOf(decision.measure));
    }
  }
  return caption;
}

std::vector<std::string> LostItems(const ReportData& report, size_t task) {
  std::vector<std::string> lines;
  for (const LaneResult& lane : report.lanes) {
    const TaskResult* result = FindTask(lane, task);
    if (result == nullptr || result->lost.empty()) continue;
    std::string line = lane.record.scheme + " lost:";
    for (size_t i = 0; i < std::min(kMostIds, result->lost.size()); ++i) {
      line += " " + report.items[task][result->lost[i]].id;
    }
    if (result->lost.size() > kMostIds) {
      line += fmt::format(" and {} more", result->lost.size() - kMostIds);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace bitloss

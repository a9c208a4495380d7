#include "bitloss/report/scoreboard.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "bitloss/report/numbers.h"
#include "bitloss/report/stored_model.h"
#include "bitloss/report/summary.h"
#include "bitloss/stats/paired_outcomes.h"

namespace bitloss {
namespace {

// Effective ones; an interval from fewer is said to be.
constexpr double kFewClustersForAWord = 10;

// "-62 %", of the baseline's size.
std::string SizeNote(const ReportData& report, const LaneRecord& lane) {
  const double whole = static_cast<double>(report.lanes[0].record.weight_bytes);
  if (lane.baseline || whole == 0) return StoredModelNote(report.manifest.model, lane);
  return FormatSigned(100 * (static_cast<double>(lane.weight_bytes) / whole - 1), 0) + " %";
}

std::string IntervalNote(const Estimate& estimate, std::string (*format)(double)) {
  return estimate.interval ? FormatInterval(estimate, format) : "no interval";
}

Cell ChangeCell(const TextResult* text) {
  if (text == nullptr || !text->change_percent) return {};
  Cell cell{FormatSignedPercent(text->change_percent->value),
            IntervalNote(*text->change_percent, FormatSignedPercent)};
  const Estimate& change = *text->change_percent;
  if (change.interval && change.effective_clusters < kFewClustersForAWord) {
    cell.note += fmt::format(", {:.0f} clusters only", change.effective_clusters);
  }
  return cell;
}

Cell DivergenceCell(const LaneResult& lane, const TextResult* text) {
  if (text == nullptr || !text->kl) return {};
  Cell cell{FormatDivergence(text->kl->mean.value), IntervalNote(text->kl->mean, FormatDivergence)};
  const Finding* finding = FindFinding(lane, Measure::kDivergence, 0);
  if (finding != nullptr && !text->floor) cell.note += ", no noise floor";
  if (finding != nullptr && finding->interval && finding->interval->low <= 0) {
    cell.note += ", noise";
  }
  return cell;
}

Cell TopOneCell(const TextResult* text) {
  if (text == nullptr || !text->top1_agreement) return {};
  return {FormatShare(text->top1_agreement->value),
          IntervalNote(*text->top1_agreement, FormatShare)};
}

Cell LostCell(const LaneResult& lane, const SuiteResult* suite) {
  if (suite == nullptr || lane.record.baseline || suite->counts.num_compared == 0) return {};
  const PromptCounts& counts = suite->counts;
  Cell cell{fmt::format("{} of {}", counts.num_regressions, counts.num_baseline_passed), ""};
  const auto note = [&](const std::string& text) {
    cell.note += (cell.note.empty() ? "" : ", ") + text;
  };
  if (counts.num_recoveries > 0) note(fmt::format("{} regained", counts.num_recoveries));
  if (counts.num_undecided > 0) note(fmt::format("{} undecided", counts.num_undecided));
  const Finding* finding = FindFinding(lane, Measure::kAnswers, suite->suite);
  if (finding == nullptr) return cell;
  if (!counts.CanShowRegressions()) {
    note("too few to show a loss");
  } else if (finding->interval && finding->interval->low <= 0 && finding->interval->high >= 0 &&
             counts.num_regressions + counts.num_recoveries > 0) {
    note("may be chance");
  }
  return cell;
}

// Of the first task, by the measure that decides there.
Cell AccuracyCell(const TaskResult* task) {
  if (task == nullptr || !task->decisions[0].margin_change) return {};
  const PairedTable& table = task->decisions[0].outcomes;
  const Interval interval = TangoInterval(table);
  return {FormatSigned(100 * NetChange(table), 1),
          fmt::format("[{}, {}]", FormatSigned(100 * interval.low, 1),
                      FormatSigned(100 * interval.high, 1))};
}

Cell SpeedCell(const ReportData& report, const LaneResult& lane, Timings timings) {
  if (timings == Timings::kOmit || !lane.decode_tokens_per_second) return {};
  Cell cell{FormatRate(*lane.decode_tokens_per_second), ""};
  const std::optional<double>& base = report.lanes[0].decode_tokens_per_second;
  if (!lane.record.baseline && base && *base > 0) {
    cell.note = fmt::format("x {:.2f}", *lane.decode_tokens_per_second / *base);
  }
  return cell;
}

std::string LaneNote(const LaneRecord& lane) {
  std::string note;
  for (const std::string& missing : lane.not_run) {
    note += (note.empty() ? "not run: " : ", ") + missing;
  }
  return note;
}

}  // namespace

Table Scoreboard(const ReportData& report, Timings timings) {
  Table table{{{"Lane", "", Align::kLeft},
               {"Size", "MB", Align::kRight},
               {"Bits", "per weight", Align::kRight},
               {"Perplexity", "change, %", Align::kRight},
               {"KL", "nats/token", Align::kRight},
               {"Same top-1", "%", Align::kRight},
               {"Lost", "answers", Align::kRight},
               {"Accuracy", "change, points", Align::kRight},
               {"Speed", "tokens/s", Align::kRight},
               {"Verdict", "", Align::kLeft}},
              {}};
  const std::vector<LaneSummary> summaries = Summarize(report);
  for (size_t i = 0; i < report.lanes.size(); ++i) {
    const LaneResult& lane = report.lanes[i];
    const TextResult* text = FindText(lane, 0);
    const auto summary = std::ranges::find(summaries, i, &LaneSummary::lane);
    table.rows.push_back(
        {{lane.record.scheme, LaneNote(lane.record)},
         {FormatMegabytes(lane.record.weight_bytes), SizeNote(report, lane.record)},
         {FormatBits(lane.record.bits_per_weight), ""},
         ChangeCell(text),
         DivergenceCell(lane, text),
         TopOneCell(text),
         LostCell(lane, FindSuite(lane, 0)),
         AccuracyCell(FindTask(lane, 0)),
         SpeedCell(report, lane, timings),
         summary == summaries.end() ? Cell{"baseline", ""}
                                    : Cell{summary->verdict, summary->grounds, summary->tone}});
  }
  table.DropEmptyColumns();
  return table;
}

std::vector<std::string> ScoreboardNotes(const ReportData& report, Timings timings) {
  const Manifest& manifest = report.manifest;
  std::vector<std::string> notes;
  if (const TextResult* text = FindText(report.lanes[0], 0)) {
    notes.push_back(fmt::format(
        "{}: {}; {} has perplexity {}{}", ProtocolTitle(report, 0), ProtocolCaption(report, 0),
        report.lanes[0].record.scheme, FormatPerplexity(text->perplexity),
        manifest.protocols.size() > 1
            ? fmt::format("; the other {} below", manifest.protocols.size() - 1)
            : ""));
  }
  if (!manifest.suites.empty()) {
    notes.push_back(fmt::format(
        "Lost: of the answers to {} ({} prompts) that {} gets right{}", manifest.suites[0].id,
        FormatCount(manifest.suites[0].num_prompts), report.lanes[0].record.scheme,
        manifest.suites.size() > 1 ? fmt::format("; {} more below", manifest.suites.size() - 1)
                                   : ""));
  }
  if (const TaskResult* task = FindTask(report.lanes[0], 0)) {
    const TaskDecision& decision = task->decisions[0];
    notes.push_back(fmt::format(
        "Accuracy: {} of {}, {} items; {} has {} %{}", decision.measure, manifest.tasks[0].id,
        FormatCount(task->num_items), report.lanes[0].record.scheme,
        FormatShare(static_cast<double>(decision.num_right) / static_cast<double>(task->num_items)),
        manifest.tasks.size() > 1 ? fmt::format("; {} more below", manifest.tasks.size() - 1)
                                  : ""));
  }
  if (timings == Timings::kInclude && report.lanes[0].decode_tokens_per_second) {
    notes.push_back("Speed: writing, on this machine, weights decoded beside the product");
  }
  if (const std::string stored = StoredModel(manifest.model); !stored.empty()) {
    notes.push_back(
        fmt::format("The baseline's weights were {}: what that took is in no change here", stored));
  }
  return notes;
}

}  // namespace bitloss

// Everything that a report says on a terminal.
#include <fmt/format.h>

#include "bitloss/report/cache_size.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/stored_model.h"
#include "bitloss/report/tables.h"
#include "bitloss/report/task_results.h"
#include "bitloss/report/text_table.h"
#include "bitloss/report/verdicts.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

// The intervals of what is not compared, and the bits of the quantized layers, are in the page.
std::string RenderNarrow(const Table& table) {
  return RenderTable(
      WithoutNotes(table, {"Bits/weight", "Perplexity", "KL p99", "Same top-1", "Identical"}));
}

// A line for what was tested and found, one for what the data say.
std::string RenderVerdicts(const ReportData& report) {
  std::string text;
  const Table table = VerdictTable(report);
  for (const std::vector<Cell>& row : table.rows) {
    for (size_t c = 1; c < row.size(); ++c) {
      text += fmt::format("{}, {}, {}: {}\n  {}\n", row[0].value, table.columns[c].name,
                          table.columns[c].unit, row[c].value, row[c].note);
    }
  }
  if (text.empty()) return text;
  const std::string caption = VerdictCaption(report);
  return "\nVerdicts\n" + (caption.empty() ? caption : caption + "\n") + text;
}

}  // namespace

std::string TerminalDetails(const ReportData& report) {
  const ModelRecord& model = report.manifest.model;
  std::string text = fmt::format("{} ({}, {} parameters)\n", model.name, model.architecture,
                                 FormatCount(model.num_parameters));
  if (const std::string stored = StoredModel(model); !stored.empty()) {
    text += fmt::format("the baseline's weights were {}: what that took is in no change here\n",
                        stored);
  }
  for (size_t p = 0; p < report.manifest.protocols.size(); ++p) {
    text += fmt::format("\n{}\n{}\n{}", ProtocolTitle(report, p), ProtocolCaption(report, p),
                        RenderNarrow(TextTable(report, p)));
  }
  for (size_t s = 0; s < report.manifest.suites.size(); ++s) {
    const SuiteRecord& suite = report.manifest.suites[s];
    text += fmt::format("\n{}\n{} prompts; lost and regained: against the baseline\n{}", suite.id,
                        FormatCount(suite.num_prompts),
                        RenderNarrow(SuiteTable(report, s, Timings::kInclude)));
  }
  for (size_t t = 0; t < report.manifest.tasks.size(); ++t) {
    text += fmt::format("\n{}\n{}\n{}", report.manifest.tasks[t].id, TaskCaption(report, t),
                        RenderTable(WithoutNotes(TaskTable(report, t), {"Accuracy"})));
  }
  if (const Table cache = CacheTable(report); !cache.rows.empty()) {
    text += "\nkeys and values of a token, over all layers\n" + RenderTable(cache);
  }
  text += RenderVerdicts(report);
  for (const LaneResult& lane : report.lanes) {
    for (const std::string& note : lane.record.notes) {
      text += fmt::format("\n{}: {}\n", lane.record.scheme, note);
    }
  }
  for (const std::string& warning : Warnings(report))
    text += fmt::format("\nwarning: {}\n", warning);
  return text;
}

}  // namespace bitloss

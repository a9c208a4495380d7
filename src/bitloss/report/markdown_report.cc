// report.md: what the page says, without the answers.
#include <fmt/format.h>

#include <algorithm>

#include "bitloss/report/behaviour.h"
#include "bitloss/report/cache_size.h"
#include "bitloss/report/failures.h"
#include "bitloss/report/markdown.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/ranking.h"
#include "bitloss/report/ranking_tables.h"
#include "bitloss/report/samples.h"
#include "bitloss/report/scoreboard.h"
#include "bitloss/report/signals.h"
#include "bitloss/report/stored_model.h"
#include "bitloss/report/summary.h"
#include "bitloss/report/tables.h"
#include "bitloss/report/task_results.h"
#include "bitloss/report/verdicts.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

std::string RegressedPrompts(const ReportData& report, size_t suite) {
  std::string text;
  for (const LaneResult& lane : report.lanes) {
    const SuiteResult* result = FindSuite(lane, suite);
    if (result == nullptr || result->counts.num_regressions == 0) continue;
    text += fmt::format("- {} lost:", EscapeMarkdown(lane.record.scheme));
    for (const AnswerResult& answer : result->answers) {
      if (answer.outcome != Outcome::kRegression) continue;
      text += " `" + report.prompts[suite][answer.answer.prompt].id + "`";
    }
    text += "\n";
  }
  return text.empty() ? text : text + "\n";
}

// What the report opens with: the scoreboard, and a sentence for each lane.
std::string AnswerPart(const ReportData& report, Timings timings) {
  std::string text = "## The answer\n\n" + MarkdownTable(Scoreboard(report, timings));
  for (const LaneSummary& summary : Summarize(report)) {
    text +=
        fmt::format("- {} {}: **{}**\n", EscapeMarkdown(report.lanes[summary.lane].record.scheme),
                    EscapeMarkdown(summary.sentence), EscapeMarkdown(summary.verdict));
  }
  text += "\n";
  const Ranking ranking = RankLanes(report);
  if (ranking.pairs.empty()) return text;
  return text + EscapeMarkdown(RankingCaption(report, ranking)) + "\n\n" +
         MarkdownTable(RankingTable(report, ranking));
}

std::string TaskParts(const ReportData& report) {
  std::string text;
  for (size_t t = 0; t < report.manifest.tasks.size(); ++t) {
    text += fmt::format("## {}\n\n{}.\n\n{}{}", EscapeMarkdown(report.manifest.tasks[t].id),
                        EscapeMarkdown(TaskCaption(report, t)), MarkdownTable(TaskTable(report, t)),
                        MarkdownTable(TaskMeasureTable(report, t)));
    for (const std::string& line : LostItems(report, t)) text += "- " + EscapeMarkdown(line) + "\n";
    text += "\n";
  }
  return text;
}

std::string VerdictParagraph(const ReportData& report) {
  const std::string caption = VerdictCaption(report);
  return caption.empty() ? caption : EscapeMarkdown(caption) + ".\n\n";
}

std::string Provenance(const ReportData& report, Timings timings) {
  const Manifest& manifest = report.manifest;
  std::string text = "## Provenance\n\n";
  text += fmt::format("- bitloss {}, seed {}\n", EscapeMarkdown(manifest.bitloss_version),
                      manifest.seed);
  text += fmt::format("- model `{}`\n- tokenizer `{}`\n", manifest.model.identity,
                      manifest.tokenizer_identity);
  for (const ProtocolRecord& protocol : manifest.protocols) {
    text += fmt::format("- text {} `{}`\n", EscapeMarkdown(protocol.text), protocol.text_hash);
  }
  for (const SuiteRecord& suite : manifest.suites) {
    text += fmt::format("- suite {} `{}`\n", EscapeMarkdown(suite.id), suite.hash);
  }
  for (const TaskRecord& task : manifest.tasks) {
    text += fmt::format("- task {} `{}`\n", EscapeMarkdown(task.id), task.hash);
  }
  text += fmt::format("- options `{}`\n", manifest.options);
  if (timings == Timings::kOmit) return text;
  for (const MachineNote& note : report.machine) {
    text += fmt::format("- {}: {}\n", EscapeMarkdown(note.key), EscapeMarkdown(note.value));
  }
  return text;
}

}  // namespace

std::string WriteMarkdown(const ReportData& report, Timings timings) {
  const ModelRecord& model = report.manifest.model;
  std::string text =
      fmt::format("# {}\n\n{}, {} parameters. What quantization changed, against {}.\n\n",
                  EscapeMarkdown(model.name), EscapeMarkdown(model.architecture),
                  FormatCount(model.num_parameters), EscapeMarkdown(report.lanes[0].record.scheme));
  if (const std::string stored = StoredModel(model); !stored.empty()) {
    text += fmt::format("The baseline's weights were {}: what that took is in no change here.\n\n",
                        EscapeMarkdown(stored));
  }
  for (const std::string& warning : Warnings(report)) {
    text += fmt::format("> **Warning:** {}\n\n", EscapeMarkdown(warning));
  }
  text += AnswerPart(report, timings);
  if (const std::string verdicts = MarkdownTable(VerdictTable(report)); !verdicts.empty()) {
    text += "## Verdicts\n\n" + VerdictParagraph(report) + verdicts;
  }
  for (size_t p = 0; p < report.manifest.protocols.size(); ++p) {
    text += fmt::format("## {}\n\n{}.\n\n{}", EscapeMarkdown(ProtocolTitle(report, p)),
                        EscapeMarkdown(ProtocolCaption(report, p)),
                        MarkdownTable(TextTable(report, p)));
    text += EscapeMarkdown(report.manifest.protocols[p].aggregation) + "\n\n";
    if (const Table experts = ExpertTable(report, p); !experts.rows.empty()) {
      text += "Tokens that a layer sends to another set of experts than in the baseline:\n\n" +
              MarkdownTable(experts);
    }
  }
  for (size_t s = 0; s < report.manifest.suites.size(); ++s) {
    text += fmt::format("## {}\n\n{}{}", EscapeMarkdown(report.manifest.suites[s].id),
                        MarkdownTable(SuiteTable(report, s, timings)), RegressedPrompts(report, s));
    if (const std::string outcomes = MarkdownTable(OutcomeTable(report, s)); !outcomes.empty()) {
      text +=
          "Prompts lost and regained: Tango's 95% interval of the net change, McNemar's "
          "mid-p.\n\n" +
          outcomes;
    }
    if (const Table failures = FailureTable(report, s); failures.columns.size() > 1) {
      text += "Hard failures: how many are new, and the paired change in points.\n\n" +
              MarkdownTable(failures);
    }
    if (const std::string behaviour = MarkdownTable(BehaviourTable(report, s));
        !behaviour.empty()) {
      text += "How long answers stay the baseline's, and how alike they are.\n\n" + behaviour;
    }
    if (const std::string samples = MarkdownTable(SampleTable(report, s)); !samples.empty()) {
      text += EscapeMarkdown(SampleCaption(report, s)) + "\n\n" + samples;
    }
    if (const std::string signals = MarkdownTable(SignalTable(report, s)); !signals.empty()) {
      text += "Signs of degeneration, with their change against the baseline.\n\n" + signals;
    }
    text += "Categories hold too few prompts to decide anything alone: exploratory.\n\n";
    text += MarkdownTable(CategoryTable(report, s));
    if (const std::string table = MarkdownTable(ExploratoryTable(report, s)); !table.empty()) {
      text +=
          "Exploratory: prompts lost of those the baseline passes; the rate with what the "
          "other categories lend it, 95% interval; p adjusted over all categories and lanes "
          "(Benjamini-Hochberg).\n\n" +
          table;
    }
  }
  text += TaskParts(report);
  if (const std::string coverage = MarkdownTable(CoverageTable(report)); !coverage.empty()) {
    text += "## What is quantized\n\n" + coverage;
  }
  if (const std::string cache = MarkdownTable(CacheTable(report)); !cache.empty()) {
    text += "## Keys and values\n\n" + cache;
  }
  for (const LaneResult& lane : report.lanes) {
    for (const std::string& note : lane.record.notes) {
      text += fmt::format("{}: {}\n\n", EscapeMarkdown(lane.record.scheme), EscapeMarkdown(note));
    }
  }
  if (timings == Timings::kInclude) {
    if (const Table speed = SpeedTable(report); speed.columns.size() > 1) {
      text += "## Speed\n\n" + MarkdownTable(speed);
    }
  }
  return text + Provenance(report, timings);
}

}  // namespace bitloss

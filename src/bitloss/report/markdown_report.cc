// report.md: what the page says, without the answers.
#include <fmt/format.h>

#include <algorithm>

#include "bitloss/report/numbers.h"
#include "bitloss/report/tables.h"
#include "bitloss/report/verdicts.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

// Text on one line that Markdown shows as it is.
std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      escaped += ' ';
      continue;
    }
    if (std::string_view("\\`*_[]<>|#").find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string CellText(const Cell& cell) {
  if (cell.value.empty()) return "";
  return Escaped(cell.note.empty() ? cell.value : cell.value + " " + cell.note);
}

std::string Render(const Table& table) {
  if (table.rows.empty()) return {};
  std::string header = "|";
  std::string rule = "|";
  for (const Column& column : table.columns) {
    const std::string unit = column.unit.empty() ? "" : " (" + column.unit + ")";
    header += " " + Escaped(column.name + unit) + " |";
    rule += column.align == Align::kRight ? "---:|" : "---|";
  }
  std::string text = header + "\n" + rule + "\n";
  for (const std::vector<Cell>& row : table.rows) {
    text += "|";
    for (const Cell& cell : row) text += " " + CellText(cell) + " |";
    text += "\n";
  }
  return text + "\n";
}

std::string RegressedPrompts(const ReportData& report, size_t suite) {
  std::string text;
  for (const LaneResult& lane : report.lanes) {
    const SuiteResult* result = FindSuite(lane, suite);
    if (result == nullptr || result->counts.num_regressions == 0) continue;
    text += fmt::format("- {} lost:", Escaped(lane.record.scheme));
    for (const AnswerResult& answer : result->answers) {
      if (answer.outcome != Outcome::kRegression) continue;
      text += " `" + report.prompts[suite][answer.answer.prompt].id + "`";
    }
    text += "\n";
  }
  return text.empty() ? text : text + "\n";
}

std::string VerdictParagraph(const ReportData& report) {
  const std::string caption = VerdictCaption(report);
  return caption.empty() ? caption : Escaped(caption) + ".\n\n";
}

std::string Provenance(const ReportData& report, Timings timings) {
  const Manifest& manifest = report.manifest;
  std::string text = "## Provenance\n\n";
  text += fmt::format("- bitloss {}, seed {}\n", Escaped(manifest.bitloss_version), manifest.seed);
  text += fmt::format("- model `{}`\n- tokenizer `{}`\n", manifest.model.identity,
                      manifest.tokenizer_identity);
  for (const ProtocolRecord& protocol : manifest.protocols) {
    text += fmt::format("- text {} `{}`\n", Escaped(protocol.text), protocol.text_hash);
  }
  for (const SuiteRecord& suite : manifest.suites) {
    text += fmt::format("- suite {} `{}`\n", Escaped(suite.id), suite.hash);
  }
  text += fmt::format("- options `{}`\n", manifest.options);
  if (timings == Timings::kOmit) return text;
  for (const MachineNote& note : report.machine) {
    text += fmt::format("- {}: {}\n", Escaped(note.key), Escaped(note.value));
  }
  return text;
}

}  // namespace

std::string WriteMarkdown(const ReportData& report, Timings timings) {
  const ModelRecord& model = report.manifest.model;
  std::string text =
      fmt::format("# {}\n\n{}, {} parameters. What quantization changed, against {}.\n\n",
                  Escaped(model.name), Escaped(model.architecture),
                  FormatCount(model.num_parameters), Escaped(report.lanes[0].record.scheme));
  for (const std::string& warning : Warnings(report)) {
    text += fmt::format("> **Warning:** {}\n\n", Escaped(warning));
  }
  if (const std::string verdicts = Render(VerdictTable(report)); !verdicts.empty()) {
    text += "## Verdicts\n\n" + VerdictParagraph(report) + verdicts;
  }
  for (size_t p = 0; p < report.manifest.protocols.size(); ++p) {
    text += fmt::format("## {}\n\n{}.\n\n{}", Escaped(ProtocolTitle(report, p)),
                        Escaped(ProtocolCaption(report, p)), Render(TextTable(report, p)));
    text += Escaped(report.manifest.protocols[p].aggregation) + "\n\n";
  }
  for (size_t s = 0; s < report.manifest.suites.size(); ++s) {
    text += fmt::format("## {}\n\n{}{}", Escaped(report.manifest.suites[s].id),
                        Render(SuiteTable(report, s, timings)), RegressedPrompts(report, s));
    text += "Categories hold too few prompts to decide anything alone.\n\n";
    text += Render(CategoryTable(report, s));
  }
  if (const std::string coverage = Render(CoverageTable(report)); !coverage.empty()) {
    text += "## What is quantized\n\n" + coverage;
  }
  for (const LaneResult& lane : report.lanes) {
    for (const std::string& note : lane.record.notes) {
      text += fmt::format("{}: {}\n\n", Escaped(lane.record.scheme), Escaped(note));
    }
  }
  if (timings == Timings::kInclude) {
    if (const Table speed = SpeedTable(report); speed.columns.size() > 1) {
      text += "## Speed\n\n" + Render(speed);
    }
  }
  return text + Provenance(report, timings);
}

}  // namespace bitloss

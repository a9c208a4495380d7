// The report for a terminal.
#include <fmt/format.h>

#include <algorithm>

#include "bitloss/report/numbers.h"
#include "bitloss/report/stored_model.h"
#include "bitloss/report/tables.h"
#include "bitloss/report/verdicts.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

// Columns that a text takes on a terminal, wide characters aside: code points.
size_t Width(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string CellText(const Cell& cell) {
  if (cell.value.empty()) return "-";
  return cell.note.empty() ? cell.value : cell.value + " " + cell.note;
}

std::string Padded(const std::string& text, size_t width, Align align) {
  const std::string padding(width - std::min(width, Width(text)), ' ');
  return align == Align::kLeft ? text + padding : padding + text;
}

std::string RenderLine(const std::vector<std::string>& cells, const Table& table,
                       const std::vector<size_t>& widths) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    line += (i > 0 ? "  " : "") + Padded(cells[i], widths[i], table.columns[i].align);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string Render(const Table& table) {
  std::vector<std::string> names;
  std::vector<std::string> units;
  std::vector<size_t> widths;
  for (const Column& column : table.columns) {
    names.push_back(column.name);
    units.push_back(column.unit);
    widths.push_back(std::max(Width(column.name), Width(column.unit)));
  }
  std::vector<std::vector<std::string>> rows;
  for (const std::vector<Cell>& row : table.rows) {
    std::vector<std::string>& cells = rows.emplace_back();
    for (size_t i = 0; i < row.size(); ++i) {
      cells.push_back(CellText(row[i]));
      widths[i] = std::max(widths[i], Width(cells.back()));
    }
  }
  std::string text = RenderLine(names, table, widths) + RenderLine(units, table, widths);
  for (const auto& row : rows) text += RenderLine(row, table, widths);
  return text;
}

// Terminals are narrow: the intervals of what is not compared, and the bits of the quantized
// layers, are in the page.
Table Narrow(Table table) {
  constexpr std::string_view kBare[] = {"Bits/weight", "Perplexity", "KL p99", "Same top-1",
                                        "Identical"};
  for (size_t column = 0; column < table.columns.size(); ++column) {
    if (std::ranges::find(kBare, table.columns[column].name) == std::end(kBare)) continue;
    for (std::vector<Cell>& row : table.rows) row[column].note.clear();
  }
  return table;
}

// A line for what was tested and found, one for what the data say.
std::string RenderVerdicts(const ReportData& report) {
  std::string text;
  for (const std::vector<Cell>& row : VerdictTable(report).rows) {
    text +=
        fmt::format("{}, {}: {}\n  {}\n", row[0].value, row[1].value, row[2].value, row[3].value);
  }
  if (text.empty()) return text;
  const std::string caption = VerdictCaption(report);
  return "\nVerdicts\n" + (caption.empty() ? caption : caption + "\n") + text;
}

}  // namespace

std::string TerminalTable(const ReportData& report) {
  const ModelRecord& model = report.manifest.model;
  std::string text = fmt::format("{} ({}, {} parameters)\n", model.name, model.architecture,
                                 FormatCount(model.num_parameters));
  if (const std::string stored = StoredModel(model); !stored.empty()) {
    text += fmt::format("the baseline's weights were {}: what that took is in no change here\n",
                        stored);
  }
  for (size_t p = 0; p < report.manifest.protocols.size(); ++p) {
    text += fmt::format("\n{}\n{}\n{}", ProtocolTitle(report, p), ProtocolCaption(report, p),
                        Render(Narrow(TextTable(report, p))));
  }
  for (size_t s = 0; s < report.manifest.suites.size(); ++s) {
    const SuiteRecord& suite = report.manifest.suites[s];
    Table table = Narrow(SuiteTable(report, s, Timings::kInclude));
    text += fmt::format("\n{}\n{} prompts; lost and regained: against the baseline\n{}", suite.id,
                        FormatCount(suite.num_prompts), Render(table));
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

#include "bitloss/report/markdown.h"

namespace bitloss {
namespace {

std::string MarkdownCell(const Cell& cell) {
  if (cell.value.empty()) return "";
  return EscapeMarkdown(cell.note.empty() ? cell.value : cell.value + " " + cell.note);
}

}  // namespace

std::string EscapeMarkdown(std::string_view text) {
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

std::string MarkdownTable(const Table& table) {
  if (table.rows.empty()) return {};
  std::string header = "|";
  std::string rule = "|";
  for (const Column& column : table.columns) {
    const std::string unit = column.unit.empty() ? "" : " (" + column.unit + ")";
    header += " " + EscapeMarkdown(column.name + unit) + " |";
    rule += column.align == Align::kRight ? "---:|" : "---|";
  }
  std::string text = header + "\n" + rule + "\n";
  for (const std::vector<Cell>& row : table.rows) {
    text += "|";
    for (const Cell& cell : row) text += " " + MarkdownCell(cell) + " |";
    text += "\n";
  }
  return text + "\n";
}

}  // namespace bitloss

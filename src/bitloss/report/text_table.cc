#include "bitloss/report/text_table.h"

#include <algorithm>

namespace bitloss {
namespace {

// Columns that a text takes on a terminal, wide characters aside: code points.
size_t Width(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string TerminalCell(const Cell& cell) {
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

}  // namespace

std::string RenderTable(const Table& table) {
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
      cells.push_back(TerminalCell(row[i]));
      widths[i] = std::max(widths[i], Width(cells.back()));
    }
  }
  std::string text = RenderLine(names, table, widths) + RenderLine(units, table, widths);
  for (const auto& row : rows) text += RenderLine(row, table, widths);
  return text;
}

Table WithoutNotes(Table table, const std::vector<std::string_view>& columns) {
  for (size_t column = 0; column < table.columns.size(); ++column) {
    if (std::ranges::find(columns, table.columns[column].name) == columns.end()) continue;
    for (std::vector<Cell>& row : table.rows) row[column].note.clear();
  }
  return table;
}

}  // namespace bitloss

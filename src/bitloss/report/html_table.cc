#include "bitloss/report/html_table.h"

#include <fmt/format.h>

#include "bitloss/report/html.h"

namespace bitloss {
namespace {

const char* ClassOf(const Column& column) {
  return column.align == Align::kRight ? " class=\"num\"" : "";
}

const char* ClassOf(Tone tone) {
  switch (tone) {
    case Tone::kGood:
      return "good";
    case Tone::kMild:
      return "mild";
    case Tone::kBad:
      return "bad";
    case Tone::kOpen:
      return "open";
    case Tone::kPlain:
      break;
  }
  return "plain";
}

std::string Note(const Cell& cell) {
  return cell.note.empty() ? "" : "<small>" + EscapeHtml(cell.note) + "</small>";
}

std::string HtmlCell(const Cell& cell, const Column& column, OnPhone on_phone) {
  std::string attributes = ClassOf(column);
  if (on_phone == OnPhone::kStacks) {
    attributes += fmt::format(" data-name=\"{}\"", EscapeHtml(column.name));
  }
  if (cell.value.empty()) {
    return fmt::format("<td{}><span class=\"none\">&ndash;</span></td>", attributes);
  }
  const std::string value =
      cell.tone == Tone::kPlain ? EscapeHtml(cell.value) : HtmlWord(cell.value, cell.tone);
  return fmt::format("<td{}>{}{}</td>", attributes, value, Note(cell));
}

// Fewer are not spread over the page: a number far from its name is hard to read.
constexpr size_t kColumnsOfAWideTable = 4;

}  // namespace

std::string HtmlTable(const Table& table, FirstRow first_row, std::string_view name,
                      OnPhone on_phone) {
  if (table.rows.empty()) return {};
  std::string html = fmt::format(
      "<div class=\"scroll\" role=\"region\" aria-label=\"{}\" tabindex=\"0\">"
      "<table class=\"{}{}sortable\"><caption class=\"unseen\">{}</caption><thead><tr>",
      EscapeHtml(name), table.columns.size() < kColumnsOfAWideTable ? "" : "wide ",
      on_phone == OnPhone::kStacks ? "stacks " : "", EscapeHtml(name));
  for (const Column& column : table.columns) {
    const std::string unit =
        column.unit.empty() ? "" : "<small>" + EscapeHtml(column.unit) + "</small>";
    html += fmt::format("<th scope=\"col\"{}><span>{}</span>{}</th>", ClassOf(column),
                        EscapeHtml(column.name), unit);
  }
  html += "</tr></thead>\n<tbody>\n";
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const std::vector<Cell>& row = table.rows[i];
    const bool baseline = i == 0 && first_row == FirstRow::kBaseline;
    html += fmt::format("<tr{}><th scope=\"row\">{}{}</th>", baseline ? " class=\"baseline\"" : "",
                        HtmlBreakable(EscapeHtml(row[0].value)), Note(row[0]));
    for (size_t c = 1; c < row.size(); ++c) html += HtmlCell(row[c], table.columns[c], on_phone);
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string HtmlWord(std::string_view word, Tone tone) {
  return fmt::format("<b class=\"word {}\">{}</b>", ClassOf(tone), EscapeHtml(word));
}

std::string HtmlBreakable(const std::string& html) {
  std::string breakable;
  for (const char c : html) {
    breakable += c;
    if (c == ':' || c == '+') breakable += "<wbr>";
  }
  return breakable;
}

std::string HtmlSection(std::string_view id, std::string_view title, const std::string& content) {
  if (content.empty()) return {};
  return fmt::format("<section id=\"{}\"><h2>{}</h2>\n{}</section>\n", id, EscapeHtml(title),
                     content);
}

std::string HtmlFoldedSection(std::string_view id, std::string_view title,
                              const std::string& content) {
  if (content.empty()) return {};
  return fmt::format(
      "<section id=\"{}\"><details class=\"fold\"><summary><h2>{}</h2></summary>\n{}"
      "</details></section>\n",
      id, EscapeHtml(title), content);
}

std::string HtmlNote(std::string_view text) {
  return "<p class=\"muted\">" + EscapeHtml(text) + "</p>\n";
}

std::string HtmlLegendItem(size_t color, std::string_view label) {
  return fmt::format("<li class=\"lane-{}\"><span class=\"swatch\"></span>{}</li>", color,
                     EscapeHtml(label));
}

std::string HtmlFigure(std::string_view data, const std::string& drawings, std::string_view caption,
                       const std::string& legend) {
  if (drawings.empty()) return {};
  return fmt::format(
      "<figure class=\"chart\">\n{}<div class=\"drawing\">{}</div>\n"
      "<script type=\"application/json\">{}</script>\n<figcaption>{}</figcaption>\n</figure>\n",
      legend, drawings, data, EscapeHtml(caption));
}

}  // namespace bitloss

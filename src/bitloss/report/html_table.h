// Tables and figures of the page.
#ifndef BITLOSS_REPORT_HTML_TABLE_H_
#define BITLOSS_REPORT_HTML_TABLE_H_

#include <string>
#include <string_view>

#include "bitloss/report/tables.h"

namespace bitloss {

enum class FirstRow { kBaseline, kPlain };
// On a narrow screen a table scrolls sideways, or each row becomes a block, its cells named.
enum class OnPhone { kScrolls, kStacks };

// The table in a box of its own. `name` is its accessible name. With scripts its columns can be
// sorted (page/tables.js). Empty for a table without rows.
std::string HtmlTable(const Table& table, FirstRow first_row, std::string_view name,
                      OnPhone on_phone = OnPhone::kScrolls);

// A word in the colour of its tone; escaped here.
std::string HtmlWord(std::string_view word, Tone tone);

// HTML of a lane's name, which may be broken after ':' and '+'.
std::string HtmlBreakable(const std::string& html);

// "<section id=ID><h2>title</h2>content</section>"; empty if `content` is.
std::string HtmlSection(std::string_view id, std::string_view title, const std::string& content);

// The same, folded until a reader opens it.
std::string HtmlFoldedSection(std::string_view id, std::string_view title,
                              const std::string& content);

// "<p class=muted>text</p>"; the text is escaped.
std::string HtmlNote(std::string_view text);

std::string HtmlLegendItem(size_t color, std::string_view label);

// The names and colours of a chart's lines.
template <class LinesOf>
std::string HtmlLegend(const LinesOf& chart) {
  std::string html = "<ul class=\"legend\" aria-label=\"lanes\">";
  for (const auto& line : chart.lines) html += HtmlLegendItem(line.color, line.label);
  return html + "</ul>\n";
}

// A chart that is static until scripts replace it. `data` is JSON made by chart_data.h, `drawings`
// SVG, `caption` plain text. Empty without drawings.
std::string HtmlFigure(std::string_view data, const std::string& drawings, std::string_view caption,
                       const std::string& legend = "");

}  // namespace bitloss

#endif  // BITLOSS_REPORT_HTML_TABLE_H_

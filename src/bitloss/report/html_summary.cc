// What the page opens with: the answer in words, in numbers and as a picture, on one screen.
#include <fmt/format.h>

#include "bitloss/report/chart_data.h"
#include "bitloss/report/html.h"
#include "bitloss/report/html_sections.h"
#include "bitloss/report/html_table.h"
#include "bitloss/report/scoreboard.h"
#include "bitloss/report/summary.h"

namespace bitloss {
namespace {

std::string Alerts(const ReportData& report) {
  std::string html;
  for (const std::string& failing : Failings(report)) html += "<p>" + EscapeHtml(failing) + "</p>";
  return html.empty() ? html : "<div class=\"warnings\" role=\"alert\">" + html + "</div>\n";
}

std::string Sentences(const ReportData& report) {
  std::string html;
  for (const LaneSummary& summary : Summarize(report)) {
    html += fmt::format("<li><b>{}</b> {}: {}</li>\n",
                        HtmlBreakable(EscapeHtml(report.lanes[summary.lane].record.scheme)),
                        EscapeHtml(summary.sentence), HtmlWord(summary.verdict, summary.tone));
  }
  return html.empty() ? html : "<ul class=\"sentences\">\n" + html + "</ul>\n";
}

std::string Notes(const ReportData& report, Timings timings) {
  std::string html;
  for (const std::string& note : ScoreboardNotes(report, timings)) html += EscapeHtml(note) + ". ";
  for (const std::string& warning : TextWarnings(report)) {
    html += HtmlWord("warning", Tone::kMild) + " " + EscapeHtml(warning) + ". ";
  }
  return "<p class=\"muted notes\">" + html + "</p>\n";
}

std::string Picture(const ReportData& report, Timings timings) {
  const Chart chart = SizeChart(report);
  if (chart.points.empty()) return {};
  return HtmlFigure(ScatterJson(report, timings), DrawChart(chart, 400, 330, "chart-any"),
                    "Lower is closer to the baseline, further left is smaller; hollow: another "
                    "lane is no larger and shown to be closer. Bars are 95% intervals.");
}

}  // namespace

std::string AnswerSection(const ReportData& report, Timings timings) {
  const std::string board =
      HtmlTable(Scoreboard(report, timings), FirstRow::kBaseline, "scoreboard", OnPhone::kStacks) +
      Notes(report, timings);
  const std::string picture = Picture(report, timings);
  return "<section id=\"answer\"><h2 class=\"unseen\">The answer</h2>\n" + Alerts(report) +
         Sentences(report) + "<div class=\"" + (picture.empty() ? "" : "glance") +
         "\">\n<div class=\"board\">" + board + "</div>\n" + picture + "</div>\n</section>\n";
}

}  // namespace bitloss

// The page's section on tasks by likelihood.
#include <fmt/format.h>

#include "bitloss/report/html.h"
#include "bitloss/report/html_sections.h"
#include "bitloss/report/html_table.h"
#include "bitloss/report/task_results.h"

namespace bitloss {

std::string TaskSection(const ReportData& report) {
  std::string html;
  for (size_t t = 0; t < report.manifest.tasks.size(); ++t) {
    const std::string& id = report.manifest.tasks[t].id;
    html += fmt::format("<h3>{}</h3>\n", EscapeHtml(id));
    html += HtmlNote(TaskCaption(report, t) + ".");
    html += HtmlTable(TaskTable(report, t), FirstRow::kBaseline, id);
    html += HtmlTable(TaskMeasureTable(report, t), FirstRow::kBaseline, id + ", all measures");
    for (const std::string& line : LostItems(report, t)) html += HtmlNote(line);
  }
  if (html.empty()) return html;
  return HtmlFoldedSection(
      "tasks", "Tasks by likelihood",
      HtmlNote(
          "Which continuation a model finds most likely; nothing is written. Lost: the baseline "
          "is right and the lane is not. Intervals are 95%: Wilson's for accuracies, Tango's for "
          "their paired change, Student's t over items for margins. Chance alone: McNemar's "
          "exact test. The margin is how far the right choice is ahead of the best wrong one: it "
          "moves long before an answer flips, so it shows what accuracy cannot.") +
          html);
}

}  // namespace bitloss

#include "bitloss/report/heat_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "bitloss/report/html.h"
#include "bitloss/report/html_table.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/tables.h"

namespace bitloss {
namespace {

constexpr double kEnoughPassed = 0.3;

bool CannotLose(const PromptCounts& baseline) {
  return baseline.num_decided() > 0 &&
         static_cast<double>(baseline.num_passed) <
             kEnoughPassed * static_cast<double>(baseline.num_decided());
}

std::string HeatCell(const PromptCounts& counts) {
  const std::string passed = counts.num_checked > 0
                                 ? fmt::format("{}/{}", counts.num_passed, counts.num_decided())
                                 : fmt::format("{}/{}", counts.num_completed, counts.num_prompts);
  if (!counts.answer_kl) return fmt::format("<td class=\"num\">{}</td>", passed);
  const Estimate& kl = *counts.answer_kl;
  return fmt::format(
      "<td class=\"num heat-{}\" title=\"answer KL {} {} nats/token, {} prompts\">{}<small>KL "
      "{}</small></td>",
      HeatLevel(kl.value), FormatDivergence(kl.value), FormatInterval(kl, FormatDivergence),
      kl.num_clusters, passed, FormatDivergence(kl.value));
}

}  // namespace

int HeatLevel(double kl) {
  if (!(kl > 1e-4)) return 0;
  return std::min(8, 1 + static_cast<int>(std::floor(2 * (std::log10(kl) + 4))));
}

std::string HtmlHeatMap(const ReportData& report, size_t suite) {
  std::vector<const SuiteResult*> results;
  std::string head = "<th scope=\"col\"><span>Category</span></th>";
  for (const LaneResult& lane : report.lanes) {
    const SuiteResult* result = FindSuite(lane, suite);
    if (result == nullptr) continue;
    results.push_back(result);
    head += fmt::format("<th scope=\"col\" class=\"num\"><span>{}</span></th>",
                        EscapeHtml(lane.record.scheme));
  }
  if (results.empty()) return {};
  std::string body;
  for (size_t c = 0; c < results[0]->categories.size(); ++c) {
    const CategoryResult& category = results[0]->categories[c];
    body += fmt::format("<tr><th scope=\"row\">{}{}</th>", EscapeHtml(category.name),
                        CannotLose(category.counts)
                            ? "<small>the baseline passes too few to lose any</small>"
                            : "");
    for (const SuiteResult* result : results) body += HeatCell(result->categories[c].counts);
    body += "</tr>\n";
  }
  return fmt::format(
      "<h3>By category</h3>\n{}<div class=\"scroll\" role=\"region\" aria-label=\"categories\" "
      "tabindex=\"0\"><table class=\"wide sortable heat\"><caption "
      "class=\"unseen\">prompts passed and answer KL by "
      "category</caption><thead><tr>{}</tr></thead>\n<tbody>\n"
      "{}</tbody></table></div>\n",
      HtmlNote("Prompts passed, and the mean KL on the baseline's answers (nats/token), which also "
               "shades the cell: two steps to a power of ten, from 1e-4 to 1. Exploratory: a "
               "category of a few prompts describes; it cannot decide."),
      head, body);
}

}  // namespace bitloss

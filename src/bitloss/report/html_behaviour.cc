// How answers differ from the baseline's, whether or not a check notices.
#include "bitloss/report/behaviour.h"
#include "bitloss/report/heat_map.h"
#include "bitloss/report/html_sections.h"
#include "bitloss/report/html_table.h"
#include "bitloss/report/samples.h"
#include "bitloss/report/survival_chart.h"
#include "bitloss/report/tables.h"

namespace bitloss {
namespace {

std::string Parting(const ReportData& report, size_t suite) {
  const SurvivalChart chart = MakeSurvivalChart(report, suite);
  if (chart.lines.empty()) return {};
  return "<h3>How long answers stay the baseline's</h3>\n" +
         HtmlFigure(SurvivalJson(chart),
                    DrawSurvival(chart, 900, 320, "chart-wide") +
                        DrawSurvival(chart, 370, 300, "chart-narrow"),
                    "Share of answers whose tokens are all the baseline's up to there "
                    "(Kaplan-Meier; answers that are the same to their end leave without falling). "
                    "Shaded: pointwise 95% bands. One early difference changes all that follows: a "
                    "curve that falls is not yet harm.",
                    HtmlLegend(chart)) +
         HtmlNote(
             "With 95% intervals: the shares at three lengths, the token at which half of the "
             "answers have parted, and how alike the texts are (chrF2, over prompts).") +
         HtmlTable(BehaviourTable(report, suite), FirstRow::kPlain, "how answers part");
}

std::string Samples(const ReportData& report, size_t suite) {
  const std::string caption = SampleCaption(report, suite);
  if (caption.empty()) return {};
  return "<h3>Sampled answers</h3>\n" + HtmlNote(caption) +
         HtmlTable(SampleTable(report, suite), FirstRow::kPlain, "sampled answers");
}

std::string Exploratory(const ReportData& report, size_t suite) {
  const std::string table = HtmlTable(ExploratoryTable(report, suite), FirstRow::kPlain,
                                      "exploratory: losses by category");
  if (table.empty()) return {};
  return "<h3>By category, exploratory</h3>\n" +
         HtmlNote(
             "Prompts lost of those the baseline passes; the rate with what the other "
             "categories lend it (partial pooling), its 95% interval, and McNemar's p adjusted "
             "over all categories and lanes (Benjamini-Hochberg; look closer below 0.10). It "
             "suggests where to look; it decides nothing.") +
         table;
}

}  // namespace

std::string BehaviourParts(const ReportData& report, size_t suite) {
  return Parting(report, suite) + Samples(report, suite) + HtmlHeatMap(report, suite) +
         Exploratory(report, suite);
}

}  // namespace bitloss

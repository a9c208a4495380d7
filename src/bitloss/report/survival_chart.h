// How long answers stay the baseline's: one falling curve for each lane, with its pointwise band.
#ifndef BITLOSS_REPORT_SURVIVAL_CHART_H_
#define BITLOSS_REPORT_SURVIVAL_CHART_H_

#include <string>
#include <vector>

#include "bitloss/report/report_data.h"

namespace bitloss {

struct SurvivalChart {
  struct Line {
    std::string label;
    size_t color = 0;                   // CSS class "lane-<color>"
    std::vector<SurvivalPoint> points;  // by rising tokens, from where the curve leaves 1
  };
  std::vector<Line> lines;
  uint64_t num_tokens = 0;  // where the axis ends: the longest common beginning
};

// No lines where no lane's answers were compared.
SurvivalChart MakeSurvivalChart(const ReportData& report, size_t suite);

// Inline SVG for pages without scripts; empty without lines. Shares are on a linear axis from 0 to
// 100 %.
std::string DrawSurvival(const SurvivalChart& chart, double width, double height,
                         const char* css_class);

// The same for Vega (page/charts.js), rounded to what a screen can show.
std::string SurvivalJson(const SurvivalChart& chart);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_SURVIVAL_CHART_H_

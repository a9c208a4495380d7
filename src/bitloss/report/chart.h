// The chart of size against damage, as inline SVG.
#ifndef BITLOSS_REPORT_CHART_H_
#define BITLOSS_REPORT_CHART_H_

#include <optional>
#include <string>
#include <vector>

#include "bitloss/stats/estimate.h"

namespace bitloss {

struct ChartPoint {
  std::string label;
  double megabytes = 0.0;
  double divergence = 0.0;  // > 0
  std::optional<Interval> interval;
};

struct Chart {
  std::vector<ChartPoint> points;
  // Drawn as a line: it has a size and, by definition, no damage.
  std::string baseline_label;
  double baseline_megabytes = 0.0;
  std::string y_title;
};

// Size on a linear, divergence on a logarithmic axis. An interval that reaches down to zero or
// below ends at the bottom. `width` and `height` are of the view box; text is 13 units high.
// Requires: at least one point, each with a divergence > 0.
std::string DrawChart(const Chart& chart, double width, double height, const char* css_class);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_CHART_H_

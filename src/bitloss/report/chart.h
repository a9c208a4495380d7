// The charts of the page as inline SVG: what is shown where scripts do not run. Where they do, Vega
// draws the same data (page/charts.js).
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
  bool dominated = false;  // drawn hollow
};

struct Chart {
  std::vector<ChartPoint> points;
  // Drawn as a line: it has a size and, by definition, no damage. Empty: none.
  std::string baseline_label;
  double baseline_megabytes = 0.0;
  std::string y_title;
};

// Size on a linear, divergence on a logarithmic axis. An interval that reaches down to zero or
// below ends at the bottom. `width` and `height` are of the view box; text is 13 units high.
// Requires: at least one point, each with a divergence > 0.
std::string DrawChart(const Chart& chart, double width, double height, const char* css_class);

// Divergence by band (bands.h), a line for each lane.
struct LineChart {
  struct Point {
    size_t band = 0;
    double divergence = 0.0;
    std::optional<Interval> interval;
  };
  struct Line {
    std::string label;
    size_t color = 0;  // CSS class "lane-<color>"
    std::vector<Point> points;
  };
  std::vector<std::string> bands;
  std::vector<Line> lines;
  std::string x_title;
  std::string y_title;
};

// Bands side by side, divergence on a logarithmic axis; points whose divergence is not above 0 are
// left out. Empty if no point is left.
std::string DrawLines(const LineChart& chart, double width, double height, const char* css_class);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_CHART_H_

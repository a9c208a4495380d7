#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "bitloss/report/chart.h"
#include "bitloss/report/html.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/svg.h"

namespace bitloss {
namespace {

constexpr double kLineChartLeft = 58;
constexpr double kLineChartRight = 16;
constexpr double kLineChartTop = 30;
constexpr double kLineChartBottom = 46;

// The divergences of all points that can be drawn; an interval that touches zero must not stretch
// the axis without end.
struct AxisRange {
  double smallest = INFINITY;
  double largest = 0;
};

AxisRange RangeOf(const LineChart& chart) {
  AxisRange range;
  for (const LineChart::Line& line : chart.lines) {
    for (const LineChart::Point& point : line.points) {
      if (!(point.divergence > 0)) continue;
      double low = point.divergence;
      double high = low;
      if (point.interval) {
        low = std::max(point.interval->low, point.divergence / 3);
        high = std::max(high, point.interval->high);
      }
      range.smallest = std::min(range.smallest, low);
      range.largest = std::max(range.largest, high);
    }
  }
  return range;
}

std::string DrawLine(const LineChart& chart, const LineChart::Line& line, const LogAxis& axis,
                     const std::vector<double>& x) {
  std::string path;
  std::string marks;
  for (const LineChart::Point& point : line.points) {
    if (!(point.divergence > 0)) continue;
    const double at = x[point.band];
    const double y = axis.Y(point.divergence);
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", at, y);
    std::string title = fmt::format("{}, {}: {}", line.label, chart.bands[point.band],
                                    FormatDivergence(point.divergence));
    if (point.interval) {
      const LowerEnd end = point.interval->low > 0 ? LowerEnd::kClosed : LowerEnd::kOpen;
      marks +=
          SvgErrorBar(at, axis.Y(point.interval->high), axis.Y(point.interval->low), end, "bar");
      title += fmt::format(" [{}, {}]", FormatDivergence(point.interval->low),
                           FormatDivergence(point.interval->high));
    }
    marks += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\" class=\"dot\"><title>{}</title></circle>\n",
        at, y, EscapeHtml(title));
  }
  return fmt::format("<g class=\"lane-{}\"><path d=\"{}\" class=\"line\"/>\n{}</g>\n", line.color,
                     path, marks);
}

}  // namespace

std::string DrawLines(const LineChart& chart, double width, double height, const char* css_class) {
  const AxisRange range = RangeOf(chart);
  if (!(range.largest > 0) || chart.bands.empty()) return {};
  const LogAxis axis{std::log10(range.smallest) - 0.1, std::log10(range.largest) + 0.1,
                     kLineChartTop, height - kLineChartBottom};
  std::vector<double> x;
  const double step =
      (width - kLineChartLeft - kLineChartRight) / static_cast<double>(chart.bands.size());
  for (size_t b = 0; b < chart.bands.size(); ++b) {
    x.push_back(kLineChartLeft + (static_cast<double>(b) + 0.5) * step);
  }
  std::string svg = fmt::format(
      "<svg class=\"{}\" viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}; the numbers "
      "are in the table below\">\n",
      css_class, width, height, EscapeHtml(chart.y_title + " by " + chart.x_title));
  svg += axis.Grid(kLineChartLeft, width - kLineChartRight);
  for (size_t b = 0; b < chart.bands.size(); ++b) {
    // Where they would run into each other, every other name stands a line lower.
    const double lower = step < 60 && b % 2 == 1 ? 12 : 0;
    svg += SvgText(x[b], height - kLineChartBottom + 16 + lower, "middle", "tick", chart.bands[b]);
  }
  svg += SvgText(width - kLineChartRight, height - 6, "end", "axis-label", chart.x_title);
  svg += SvgText(0, 14, "start", "axis-label", chart.y_title);
  for (const LineChart::Line& line : chart.lines) svg += DrawLine(chart, line, axis, x);
  return svg + "</svg>\n";
}

}  // namespace bitloss

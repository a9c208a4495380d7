#include "bitloss/report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <span>

#include "bitloss/base/check.h"
#include "bitloss/report/html.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/svg.h"

namespace bitloss {
namespace {

constexpr double kChartLeft = 58;  // room for the ticks of the y axis
constexpr double kChartRight = 16;
constexpr double kChartTop = 44;
constexpr double kChartBottom = 46;
constexpr double kLineHeight = 16;
constexpr double kCharacterWidth = 7;  // of 13 units of text, on average

// Maps values to the view box.
struct Frame {
  double width, height;
  double x_min, x_max;
  LogAxis y;

  double X(double megabytes) const {
    return kChartLeft + (megabytes - x_min) / (x_max - x_min) * (width - kChartLeft - kChartRight);
  }
  double Y(double divergence) const { return y.Y(divergence); }
};

// 1, 2 or 5 times a power of ten, so that about `count` steps fit `range`.
double NiceStep(double range, double count) {
  const double raw = range / count;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (raw <= factor * power) return factor * power;
  }
  return 10 * power;
}

Frame MakeFrame(const Chart& chart, double width, double height) {
  const bool baseline = !chart.baseline_label.empty();
  double x_min = baseline ? chart.baseline_megabytes : chart.points[0].megabytes;
  double x_max = x_min;
  double smallest = chart.points[0].divergence;
  double largest = smallest;
  for (const ChartPoint& point : chart.points) {
    x_min = std::min(x_min, point.megabytes);
    x_max = std::max(x_max, point.megabytes);
    smallest = std::min(smallest, point.divergence);
    largest = std::max(largest, point.divergence);
    if (!point.interval) continue;
    // An interval that touches zero must not stretch the axis without end.
    smallest = std::min(smallest, std::max(point.interval->low, point.divergence / 10));
    largest = std::max(largest, point.interval->high);
  }
  const double padding = std::max(0.08 * (x_max - x_min), 0.01 * x_max);
  return {
      width,
      height,
      std::max(0.0, x_min - padding),
      x_max + padding,
      {std::log10(smallest) - 0.1, std::log10(largest) + 0.1, kChartTop, height - kChartBottom}};
}

std::string DrawAxes(const Frame& frame, const Chart& chart) {
  const double bottom = frame.height - kChartBottom;
  std::string svg = frame.y.Grid(kChartLeft, frame.width - kChartRight);
  const double step = NiceStep(frame.x_max - frame.x_min, frame.width < 500 ? 4 : 8);
  for (double tick = std::ceil(frame.x_min / step) * step; tick <= frame.x_max; tick += step) {
    svg += SvgLine(frame.X(tick), bottom, frame.X(tick), bottom + 5, "grid");
    svg += SvgText(frame.X(tick), bottom + 20, "middle", "tick", fmt::format("{:g}", tick));
  }
  svg += SvgLine(kChartLeft, bottom, frame.width - kChartRight, bottom, "grid");
  svg += SvgText(frame.width - kChartRight, bottom + 38, "end", "axis-label",
                 "size of all weights, MB");
  svg += SvgText(0, 14, "start", "axis-label", chart.y_title);
  return svg;
}

std::string DrawBaseline(const Frame& frame, const Chart& chart) {
  if (chart.baseline_label.empty()) return {};
  const double x = frame.X(chart.baseline_megabytes);
  const bool left = x > frame.width / 2;
  return SvgLine(x, kChartTop - 8, x, frame.height - kChartBottom, "reference") +
         SvgText(left ? x - 6 : x + 6, kChartTop + 4, left ? "end" : "start", "axis-label",
                 chart.baseline_label);
}

struct Label {
  double x, y;  // of the text's anchor, on its base line
  const char* anchor;
  const ChartPoint* point;
};

struct Box {
  double left, top, right, bottom;
  bool Meets(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

Box BoxOf(const Label& label) {
  const double length = kCharacterWidth * static_cast<double>(label.point->label.size());
  const double left = label.anchor[0] == 's'   ? label.x
                      : label.anchor[0] == 'e' ? label.x - length
                                               : label.x - length / 2;
  return {left, label.y - 12, left + length, label.y + 4};
}

// What a label must not cover: points first of all, error bars if it can be helped.
struct Obstacle {
  Box box;
  int cost;
};

std::vector<Obstacle> Obstacles(const Frame& frame, const Chart& chart) {
  std::vector<Obstacle> obstacles;
  for (const ChartPoint& point : chart.points) {
    const double x = frame.X(point.megabytes);
    const double y = frame.Y(point.divergence);
    obstacles.push_back({{x - 6, y - 6, x + 6, y + 6}, 10});
    if (!point.interval) continue;
    obstacles.push_back(
        {{x - 5, frame.Y(point.interval->high), x + 5, frame.Y(point.interval->low)}, 2});
  }
  return obstacles;
}

int CostOf(const Label& label, const Frame& frame, std::span<const Obstacle> obstacles) {
  const Box box = BoxOf(label);
  const bool inside = box.left >= kChartLeft + 4 && box.right <= frame.width - 4 &&
                      box.top >= kChartTop - 12 && box.bottom <= frame.height - kChartBottom;
  int cost = inside ? 0 : 100;
  for (const Obstacle& obstacle : obstacles) cost += box.Meets(obstacle.box) ? obstacle.cost : 0;
  return cost;
}

// Labels stand beside their points: to the right, or else where they cover least, never each other
// if there is room. From the top down, so that the same points always have the same labels.
// page/charts.js places them alike.
std::vector<Label> PlaceLabels(const Frame& frame, const Chart& chart) {
  std::vector<const ChartPoint*> points;
  for (const ChartPoint& point : chart.points) points.push_back(&point);
  std::ranges::stable_sort(points, std::greater<>(), &ChartPoint::divergence);
  std::vector<Obstacle> obstacles = Obstacles(frame, chart);
  std::vector<Label> labels;
  for (const ChartPoint* point : points) {
    const double x = frame.X(point->megabytes);
    const double y = frame.Y(point->divergence) + 4;
    std::optional<Label> best;
    int least = 0;
    for (const double shift : {0.0, kLineHeight, -kLineHeight, 2 * kLineHeight, -2 * kLineHeight}) {
      for (const Label& label :
           {Label{x + 10, y + shift, "start", point}, Label{x - 10, y + shift, "end", point}}) {
        const int cost = CostOf(label, frame, obstacles);
        if (best && cost >= least) continue;
        best = label;
        least = cost;
      }
    }
    labels.push_back(*best);
    obstacles.push_back({BoxOf(*best), 10});
  }
  return labels;
}

std::string DrawPoint(const Frame& frame, const ChartPoint& point) {
  const double x = frame.X(point.megabytes);
  std::string svg = "<g>";
  std::string title = fmt::format("{}: {:.1f} MB, {}", point.label, point.megabytes,
                                  FormatDivergence(point.divergence));
  if (point.interval) {
    title += fmt::format(" [{}, {}]", FormatDivergence(point.interval->low),
                         FormatDivergence(point.interval->high));
    const LowerEnd end = point.interval->low > 0 ? LowerEnd::kClosed : LowerEnd::kOpen;
    svg += SvgErrorBar(x, frame.Y(point.interval->high), frame.Y(point.interval->low), end, "bar");
  }
  svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4.5\" class=\"{}\"/>", x,
                     frame.Y(point.divergence), point.dominated ? "dot hollow" : "dot");
  return svg + fmt::format("<title>{}</title></g>\n", EscapeHtml(title));
}

}  // namespace

std::string DrawChart(const Chart& chart, double width, double height, const char* css_class) {
  BITLOSS_CHECK(!chart.points.empty());
  const Frame frame = MakeFrame(chart, width, height);
  std::string svg = fmt::format(
      "<svg class=\"{}\" viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"size of each lane "
      "against its divergence from the baseline; the numbers are in the summary table\">\n",
      css_class, width, height);
  svg += DrawAxes(frame, chart) + DrawBaseline(frame, chart);
  for (const ChartPoint& point : chart.points) svg += DrawPoint(frame, point);
  for (const Label& label : PlaceLabels(frame, chart)) {
    svg += SvgText(label.x, label.y, label.anchor, "label", label.point->label);
  }
  return svg + "</svg>\n";
}

}  // namespace bitloss

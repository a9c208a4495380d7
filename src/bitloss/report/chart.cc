#include "bitloss/report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "bitloss/base/check.h"
#include "bitloss/report/html.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/svg.h"

namespace bitloss {
namespace {

constexpr double kLeft = 58;  // room for the ticks of the y axis
constexpr double kRight = 16;
constexpr double kTop = 44;
constexpr double kBottom = 46;
constexpr double kLineHeight = 16;
constexpr double kCharacterWidth = 7;  // of 13 units of text, on average

// Maps values to the view box.
struct Frame {
  double width, height;
  double x_min, x_max;
  LogAxis y;

  double X(double megabytes) const {
    return kLeft + (megabytes - x_min) / (x_max - x_min) * (width - kLeft - kRight);
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
  return {width,
          height,
          std::max(0.0, x_min - padding),
          x_max + padding,
          {std::log10(smallest) - 0.1, std::log10(largest) + 0.1, kTop, height - kBottom}};
}

std::string DrawAxes(const Frame& frame, const Chart& chart) {
  const double bottom = frame.height - kBottom;
  std::string svg = frame.y.Grid(kLeft, frame.width - kRight);
  const double step = NiceStep(frame.x_max - frame.x_min, frame.width < 500 ? 4 : 8);
  for (double tick = std::ceil(frame.x_min / step) * step; tick <= frame.x_max; tick += step) {
    svg += SvgLine(frame.X(tick), bottom, frame.X(tick), bottom + 5, "grid");
    svg += SvgText(frame.X(tick), bottom + 20, "middle", "tick", fmt::format("{:g}", tick));
  }
  svg += SvgLine(kLeft, bottom, frame.width - kRight, bottom, "grid");
  svg += SvgText(frame.width - kRight, bottom + 38, "end", "axis-label", "size of all weights, MB");
  svg += SvgText(0, 14, "start", "axis-label", chart.y_title);
  return svg;
}

std::string DrawBaseline(const Frame& frame, const Chart& chart) {
  if (chart.baseline_label.empty()) return {};
  const double x = frame.X(chart.baseline_megabytes);
  const bool left = x > frame.width / 2;
  return SvgLine(x, kTop - 8, x, frame.height - kBottom, "reference") +
         SvgText(left ? x - 6 : x + 6, kTop + 4, left ? "end" : "start", "axis-label",
                 chart.baseline_label);
}

struct Label {
  double x, y;
  bool left;  // of its point
  const ChartPoint* point;
  double Begin() const { return left ? x - Length() : x; }
  double Length() const { return kCharacterWidth * static_cast<double>(point->label.size()); }
};

// Whether the label would cover some other point.
bool CoversPoint(const Label& label, const Frame& frame, const Chart& chart) {
  return std::ranges::any_of(chart.points, [&](const ChartPoint& other) {
    const double x = frame.X(other.megabytes);
    return &other != label.point && x > label.Begin() - 6 &&
           x < label.Begin() + label.Length() + 6 &&
           std::abs(frame.Y(other.divergence) + 4 - label.y) < kLineHeight;
  });
}

// Labels stand beside their points, on the side where they cover no other, pushed down where they
// would cover each other.
std::vector<Label> PlaceLabels(const Frame& frame, const Chart& chart) {
  std::vector<Label> labels;
  for (const ChartPoint& point : chart.points) {
    const double x = frame.X(point.megabytes);
    const double length = kCharacterWidth * static_cast<double>(point.label.size());
    const bool left = x + 12 + length > frame.width - kRight;
    const double y = frame.Y(point.divergence) + 4;
    Label label{left ? x - 10 : x + 10, y, left, &point};
    const bool room = x - 10 - length > kLeft;
    if (!left && room && CoversPoint(label, frame, chart)) label = {x - 10, y, true, &point};
    labels.push_back(label);
  }
  std::ranges::stable_sort(labels, {}, &Label::y);
  for (size_t i = 0; i < labels.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      const bool apart = labels[i].Begin() > labels[k].Begin() + labels[k].Length() ||
                         labels[k].Begin() > labels[i].Begin() + labels[i].Length();
      if (!apart) labels[i].y = std::max(labels[i].y, labels[k].y + kLineHeight);
    }
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
    svg += SvgText(label.x, label.y, label.left ? "end" : "start", "label", label.point->label);
  }
  return svg + "</svg>\n";
}

}  // namespace bitloss

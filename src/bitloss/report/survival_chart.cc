#include "bitloss/report/survival_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "bitloss/report/chart_data.h"
#include "bitloss/report/html.h"
#include "bitloss/report/svg.h"
#include "bitloss/report/tables.h"

namespace bitloss {
namespace {

constexpr double kSurvivalChartLeft = 58;
constexpr double kSurvivalChartRight = 16;
constexpr double kSurvivalChartTop = 30;
constexpr double kSurvivalChartBottom = 46;

// Whole units of the view box: a page of many lanes has thousands of steps.
struct Axes {
  double width, height;
  uint64_t num_tokens;
  int X(uint64_t tokens) const {
    const double part = static_cast<double>(tokens) / static_cast<double>(num_tokens);
    return static_cast<int>(std::lround(kSurvivalChartLeft +
                                        part * (width - kSurvivalChartLeft - kSurvivalChartRight)));
  }
  int Y(double share) const {
    return static_cast<int>(
        std::lround(height - kSurvivalChartBottom -
                    share * (height - kSurvivalChartBottom - kSurvivalChartTop)));
  }
};

std::string DrawAxes(const Axes& axes) {
  std::string svg;
  for (const int percent : {0, 25, 50, 75, 100}) {
    const double y = axes.Y(percent / 100.0);
    svg += SvgLine(kSurvivalChartLeft, y, axes.width - kSurvivalChartRight, y, "grid");
    svg += SvgText(kSurvivalChartLeft - 8, y + 4, "end", "tick", std::to_string(percent));
  }
  const uint64_t about = std::max<uint64_t>(1, axes.num_tokens / (axes.width < 500 ? 4 : 8));
  uint64_t step = 1;
  while (step < about) step *= 2;
  for (uint64_t tokens = 0; tokens <= axes.num_tokens; tokens += step) {
    svg += SvgText(axes.X(tokens), axes.height - kSurvivalChartBottom + 20, "middle", "tick",
                   std::to_string(tokens));
  }
  svg += SvgText(axes.width - kSurvivalChartRight, axes.height - 6, "end", "axis-label",
                 "tokens of the answer");
  return svg + SvgText(0, 14, "start", "axis-label", "answers that are the baseline's so far, %");
}

// Steps from (0, 1) to the end of the axis; `share` picks the curve.
template <class Share>
std::string Steps(const Axes& axes, const std::vector<SurvivalPoint>& points, const Share& share) {
  std::string path;
  for (const SurvivalPoint& point : points) {
    path += fmt::format("H{}V{}", axes.X(point.tokens), axes.Y(share(point)));
  }
  return path + fmt::format("H{}", axes.X(axes.num_tokens));
}

double Low(const SurvivalPoint& p) { return p.interval ? p.interval->low : p.share; }
double High(const SurvivalPoint& p) { return p.interval ? p.interval->high : p.share; }

// The upper edge from left to right, the lower one back.
std::string BandPath(const Axes& axes, const std::vector<SurvivalPoint>& points) {
  std::string path = fmt::format("M{} {}", axes.X(0), axes.Y(1)) + Steps(axes, points, High);
  for (size_t i = points.size(); i-- > 0;) {
    path += fmt::format("V{}H{}", axes.Y(Low(points[i])), axes.X(points[i].tokens));
  }
  return path + "Z";
}

double Rounded(double share) { return std::round(share * 1000) / 1000; }

}  // namespace

SurvivalChart MakeSurvivalChart(const ReportData& report, size_t suite) {
  SurvivalChart chart;
  for (size_t i = 0; i < report.lanes.size(); ++i) {
    const SuiteResult* result = FindSuite(report.lanes[i], suite);
    if (result == nullptr || !result->behaviour || report.lanes[i].error) continue;
    const Behaviour& behaviour = *result->behaviour;
    chart.lines.push_back({report.lanes[i].record.scheme, LaneColor(i), behaviour.curve});
    chart.num_tokens = std::max(chart.num_tokens, behaviour.longest_common);
  }
  if (chart.num_tokens == 0) chart.lines.clear();
  return chart;
}

std::string DrawSurvival(const SurvivalChart& chart, double width, double height,
                         const char* css_class) {
  if (chart.lines.empty()) return {};
  const Axes axes{width, height, chart.num_tokens};
  std::string svg = fmt::format(
      "<svg class=\"{}\" viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"share of answers "
      "that are the baseline's so far, by token; the numbers are in the table below\">\n",
      css_class, width, height);
  svg += DrawAxes(axes);
  for (const SurvivalChart::Line& line : chart.lines) {
    const std::string curve =
        Steps(axes, line.points, [](const SurvivalPoint& point) { return point.share; });
    svg += fmt::format(
        "<g class=\"lane-{}\"><path d=\"{}\" class=\"band\"/><path d=\"M{} {}{}\" class=\"line\">"
        "<title>{}</title></path></g>\n",
        line.color, BandPath(axes, line.points), axes.X(0), axes.Y(1), curve,
        EscapeHtml(line.label));
  }
  return svg + "</svg>\n";
}

std::string SurvivalJson(const SurvivalChart& chart) {
  nlohmann::ordered_json json = {{"kind", "survival"}, {"tokens", chart.num_tokens}};
  json["lines"] = nlohmann::ordered_json::array();
  for (const SurvivalChart::Line& line : chart.lines) {
    nlohmann::ordered_json points = nlohmann::ordered_json::array();
    for (const SurvivalPoint& point : line.points) {
      nlohmann::ordered_json one = {point.tokens, Rounded(point.share)};
      if (point.interval) {
        one.push_back(Rounded(point.interval->low));
        one.push_back(Rounded(point.interval->high));
      }
      points.push_back(std::move(one));
    }
    json["lines"].push_back({{"lane", line.label}, {"color", line.color}, {"points", points}});
  }
  return JsonForHtml(json);
}

}  // namespace bitloss

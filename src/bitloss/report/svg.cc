#include "bitloss/report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "bitloss/report/html.h"

namespace bitloss {

std::string SvgText(double x, double y, const char* anchor, const char* css_class,
                    std::string_view text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" class=\"{}\">{}</text>\n",
                     x, y, anchor, css_class, EscapeHtml(text));
}

std::string SvgLine(double x1, double y1, double x2, double y2, const char* css_class) {
  return fmt::format(
      "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" class=\"{}\"/>\n", x1, y1, x2,
      y2, css_class);
}

std::string SvgErrorBar(double x, double high, double low, LowerEnd end, const char* css_class) {
  std::string svg =
      SvgLine(x, high, x, low, css_class) + SvgLine(x - 4, high, x + 4, high, css_class);
  if (end == LowerEnd::kClosed) svg += SvgLine(x - 4, low, x + 4, low, css_class);
  return svg;
}

double LogAxis::Y(double value) const {
  if (value <= 0) return bottom;
  const double part = (std::log10(value) - log_min) / (log_max - log_min);
  return bottom - std::clamp(part, 0.0, 1.0) * (bottom - top);
}

std::string LogAxis::Grid(double left, double right) const {
  std::string svg;
  const bool dense = log_max - log_min < 3.2;
  for (int decade = static_cast<int>(std::floor(log_min)); decade <= log_max; ++decade) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (factor > 1 && !dense) continue;
      const double value = factor * std::pow(10.0, decade);
      if (std::log10(value) < log_min || std::log10(value) > log_max) continue;
      svg += SvgLine(left, Y(value), right, Y(value), "grid");
      svg += SvgText(left - 8, Y(value) + 4, "end", "tick", fmt::format("{:g}", value));
    }
  }
  return svg;
}

}  // namespace bitloss

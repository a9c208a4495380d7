// Pieces of inline SVG that the static charts share. Colours come from the page's style sheet.
#ifndef BITLOSS_REPORT_SVG_H_
#define BITLOSS_REPORT_SVG_H_

#include <string>
#include <string_view>

namespace bitloss {

std::string SvgText(double x, double y, const char* anchor, const char* css_class,
                    std::string_view text);
std::string SvgLine(double x1, double y1, double x2, double y2, const char* css_class);

// A vertical bar from `high` down to `low` with ends; the lower end is left open where the interval
// reaches zero and the logarithmic axis cannot show it.
enum class LowerEnd { kClosed, kOpen };
std::string SvgErrorBar(double x, double high, double low, LowerEnd end, const char* css_class);

// A logarithmic axis from bottom to top.
struct LogAxis {
  double log_min, log_max;  // decimal logarithms
  double top, bottom;       // of the view box

  // Values at or below zero lie at the bottom.
  double Y(double value) const;
  // Lines from `left` to `right` and their labels: powers of ten, and 2 and 5 times them where
  // there is room.
  std::string Grid(double left, double right) const;
};

}  // namespace bitloss

#endif  // BITLOSS_REPORT_SVG_H_

// The frame of every page: style, scripts and a policy that lets nothing else in.
#ifndef BITLOSS_REPORT_PAGE_H_
#define BITLOSS_REPORT_PAGE_H_

#include <string>
#include <string_view>

namespace bitloss {

// `title` and `version` are escaped here, `body` is HTML. Vega comes along if the body has a chart.
std::string FillPage(std::string_view title, std::string_view version, const std::string& body);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_PAGE_H_

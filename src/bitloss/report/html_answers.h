// The answers of a suite side by side, for the page.
#ifndef BITLOSS_REPORT_HTML_ANSWERS_H_
#define BITLOSS_REPORT_HTML_ANSWERS_H_

#include <string>

#include "bitloss/report/report_data.h"

namespace bitloss {

// The controls that filter (shown by the script), then one element for each prompt: open where a
// lane lost or regained it.
std::string HtmlAnswers(const ReportData& report, size_t suite);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_HTML_ANSWERS_H_

// The suite's categories against the lanes, shaded by divergence.
#ifndef BITLOSS_REPORT_HEAT_MAP_H_
#define BITLOSS_REPORT_HEAT_MAP_H_

#include <string>

#include "bitloss/report/report_data.h"

namespace bitloss {

// 0 (below 1e-4 nats/token) to 8 (1 and above), two steps to a power of ten: 1e-4, 3.2e-4, 1e-3,
// ... Absolute, so that two reports can be held side by side.
int HeatLevel(double kl);

// A table that is its own heat map: each cell says how many prompts passed and the answer KL with
// its interval, and is shaded by the KL. Empty if no lane has answers.
std::string HtmlHeatMap(const ReportData& report, size_t suite);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_HEAT_MAP_H_

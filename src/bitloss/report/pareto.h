// Which lanes are worth having: what each costs against how far it is from the baseline.
#ifndef BITLOSS_REPORT_PARETO_H_
#define BITLOSS_REPORT_PARETO_H_

#include <optional>
#include <string>
#include <vector>

#include "bitloss/report/report_data.h"

namespace bitloss {

enum class Cost { kBytes, kDecodeSpeed };

// One lane. Lanes with an error, controls and the baseline have none.
struct ParetoPoint {
  size_t lane = 0;    // of ReportData::lanes
  double cost = 0.0;  // megabytes (less is better) or tokens per second (more is better)
  Estimate kl;        // > 0
  // A lane that costs no more and is shown to be closer to the baseline (ranking.h). The closest of
  // them.
  std::optional<size_t> dominated_by;
  // Lanes whose order in KL is not shown.
  std::vector<size_t> tied_with;
};

// In the order of the lanes. Empty if nothing was compared, or (speed) nothing timed.
std::vector<ParetoPoint> MakePareto(const ReportData& report, Cost cost);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_PARETO_H_

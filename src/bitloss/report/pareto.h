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
  // A lane that costs no more and whose KL is shown to be lower: the 95% interval of the paired
  // difference lies below 0. The closest to the baseline of them.
  std::optional<size_t> dominated_by;
  // Lanes whose order in KL is not shown: the interval of the paired difference holds 0, or there
  // is none.
  std::vector<size_t> tied_with;
};

// Mean KL of lane `a` minus that of lane `b`, paired by article (or by prompt, where ParetoMeasure
// is of answers): both lanes met the same tokens, so their difference is known better than either.
// None if they share no cluster.
std::optional<Estimate> PairedKlDifference(const ReportData& report, const LaneResult& a,
                                           const LaneResult& b);

// What the KL is of: the first protocol, or without one the answers to the first suite.
std::string ParetoMeasure(const ReportData& report);
const Estimate* ParetoKl(const ReportData& report, const LaneResult& lane);

// In the order of the lanes. Empty if nothing was compared, or (speed) nothing timed.
std::vector<ParetoPoint> MakePareto(const ReportData& report, Cost cost);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_PARETO_H_

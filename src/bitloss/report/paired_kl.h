// How far lanes are from the baseline, compared with each other: all met the same tokens, so the
// difference of two is known better than either.
#ifndef BITLOSS_REPORT_PAIRED_KL_H_
#define BITLOSS_REPORT_PAIRED_KL_H_

#include <optional>
#include <string>

#include "bitloss/report/report_data.h"

namespace bitloss {

// What the KL is of: the first protocol, or without one the answers to the first suite.
std::string KlMeasure(const ReportData& report);
const Estimate* KlOf(const ReportData& report, const LaneResult& lane);

// Whether a lane is compared with others: not the baseline, nor a control, nor a lane with an
// error, and with a KL above 0.
bool IsCompared(const ReportData& report, const LaneResult& lane);

// Mean KL of lane `a` minus that of lane `b`, paired by article (or by prompt, where KlMeasure is
// of answers). None if they share no cluster.
std::optional<Estimate> PairedKlDifference(const ReportData& report, const LaneResult& a,
                                           const LaneResult& b, double confidence = 0.95);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_PAIRED_KL_H_

// The answer that a study gives, lane by lane, before any detail: a verdict over all that was
// tested of the lane, and one sentence in plain words that says what it saves, what it costs, and
// whether that can be told from noise. Chosen from intervals alone: what an interval leaves open is
// not claimed.
#ifndef BITLOSS_REPORT_SUMMARY_H_
#define BITLOSS_REPORT_SUMMARY_H_

#include <optional>
#include <string>
#include <vector>

#include "bitloss/report/report_data.h"
#include "bitloss/report/tables.h"

namespace bitloss {

struct LaneSummary {
  size_t lane = 0;  // of ReportData::lanes
  std::string
      verdict;  // "harm shown"; "unusable" of a lane with an error, "noise floor" of a control
  Tone tone = Tone::kPlain;
  std::string grounds;   // what the verdict rests on, and what was not measured
  std::string sentence;  // without the lane's name before it and the verdict after it
};

// The verdict that a lane's findings amount to, the first of these that one of them has: harm
// shown, not resolved, small harm shown, gain shown, not worse, equivalent; not measured if none
// has. None without findings.
std::optional<Verdict> OverallVerdict(const LaneResult& lane);

// Every lane but the baseline, in order.
std::vector<LaneSummary> Summarize(const ReportData& report);

// A lane's finding, if that was among what was tested.
const Finding* FindFinding(const LaneResult& lane, Measure measure, size_t place);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_SUMMARY_H_

// Answers that failed whatever they say: no answer, none in time, going round in circles.
#ifndef BITLOSS_REPORT_FAILURES_H_
#define BITLOSS_REPORT_FAILURES_H_

#include <cstdint>

#include "bitloss/report/report_data.h"
#include "bitloss/report/tables.h"
#include "bitloss/stats/paired_outcomes.h"

namespace bitloss {

// What an answer looks like without being read (metrics/degeneration.h). Good models do some of it
// too: compare with the baseline.
enum class Failure {
  kError,      // generation stopped with an error
  kEmpty,      // no token
  kLimit,      // cut at the limit of new tokens
  kLoop,       // ends by repeating itself
  kEndsEarly,  // a quarter of the baseline's length, or under 5 tokens where the baseline has more
};

// Requires: `baseline` is the answer to the same prompt; may be `answer` itself.
bool ShowsFailure(const AnswerResult& answer, const AnswerResult& baseline, Failure failure);

// Fills in SuiteResult::failures of every lane.
void AddFailures(ReportData& report);

// Whether some hard failure is shown to be more frequent than in the baseline by more than
// `margin` (being cut at the limit is none: the limit is the user's own, and loops are counted
// apart), a share of the prompts: the lower end of Tango's paired 95% interval lies above it.
// Requires: AddFailures came before.
bool HardFailuresRose(const SuiteResult& lane, double margin);

// One row for each lane: how many answers of a suite show each failure; below, of the baseline the
// share's 95% interval (Wilson), of the others how many are new and the paired change in points
// with its 95% interval (Tango). Kinds that no lane shows have no column.
Table FailureTable(const ReportData& report, size_t suite);

// One row for each lane: passed with Wilson's interval, lost, regained, neither; the net change in
// points with Tango's interval; McNemar's mid-p. Empty if the suite has no checks.
Table OutcomeTable(const ReportData& report, size_t suite);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_FAILURES_H_

// Signs of degeneration in answers, read by no one: means over prompts, and the change against the
// baseline's answers to the same prompts.
#ifndef BITLOSS_REPORT_SIGNALS_H_
#define BITLOSS_REPORT_SIGNALS_H_

#include "bitloss/report/report_data.h"
#include "bitloss/report/tables.h"

namespace bitloss {

// Fills in SuiteResult::signals of every lane. Means are over the prompts whose answer is long
// enough to have the signal; changes over those where both answers are. Script drift is measured
// from the scripts that the suite expects, or, where it does not say, from those of the prompt.
void AddSignals(ReportData& report, ThreadPool& threads);

// One row for each lane, one column for each signal that some lane shows.
Table SignalTable(const ReportData& report, size_t suite);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_SIGNALS_H_

// From a study's numbers to what may be said of them: the noise floor, the confirmatory tests and
// their verdicts. The words are chosen mechanically; nothing here is tuned to a study.
//
// Every lane that is neither baseline nor control is tested for three things: its loss under each
// protocol, its divergence above the noise floor under each protocol, its answers to each suite;
// and of each task by likelihood its accuracy, by the measure that decides there. All tests of a
// study are one family of m: intervals that show harm are at 1 - 0.05 / m, so that the chance of
// any false alarm is at most 5%; p-values are shown with Holm's adjustment beside them. A bound
// that shows the absence of harm is one-sided, 95%, and not adjusted.
#ifndef BITLOSS_REPORT_VERDICTS_H_
#define BITLOSS_REPORT_VERDICTS_H_

#include "bitloss/report/report_data.h"
#include "bitloss/report/tables.h"

namespace bitloss {

// What would matter, fixed before the data are seen.
inline constexpr double kLossMargin = 0.05;        // of delta_nll: 5% of perplexity
inline constexpr double kDivergenceMargin = 0.01;  // nats/token above the floor: near-lossless
inline constexpr double kAnswersMargin = 0.05;     // of the share of prompts passed: 5 points
inline constexpr double kTaskMargin = 0.02;        // of the share of a task's items right: 2 points

// Gives every tested lane the floor of each protocol and suite, from the control that differs most
// from the baseline, and the label that only a floor allows. A lane whose hard failures are shown
// to have risen by more than the margin of answers is labelled broken.
void AddNoiseFloors(ReportData& report);

// Fills in the findings of every tested lane. Requires: AddNoiseFloors.
void AddFindings(ReportData& report, ThreadPool& threads);

// How a verdict is shown: harm is bad, what is small or a change for the better mild, what the data
// leave open is open.
Tone ToneOf(Verdict verdict);

// One row for each lane, one column for each thing tested: its verdict, and beside it the sentence.
// No rows without findings.
Table VerdictTable(const ReportData& report);
// How many tests share what error rate; empty without tests.
std::string VerdictCaption(const ReportData& report);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_VERDICTS_H_

// How a lane's answers differ from the baseline's, whether or not a check notices, and what can be
// said of single categories: little, so it is called exploratory.
#ifndef BITLOSS_REPORT_BEHAVIOUR_H_
#define BITLOSS_REPORT_BEHAVIOUR_H_

#include "bitloss/report/report_data.h"
#include "bitloss/report/tables.h"

namespace bitloss {

// Fills in SuiteResult::behaviour of every lane but the baseline: over the prompts that both have
// answered without an error.
void AddBehaviour(ReportData& report, ThreadPool& threads);

// Fills in CategoryResult::evidence of every tested lane. The categories of all lanes and suites
// are one family for Benjamini and Hochberg; within a lane and suite they share a prior.
void AddCategoryEvidence(ReportData& report);

// One row for each lane: how long its answers stay the baseline's, and how alike they are.
Table BehaviourTable(const ReportData& report, size_t suite);

// One row for each category, one column for each tested lane: prompts lost of those the baseline
// passes, the pooled rate, and the adjusted p-value.
Table ExploratoryTable(const ReportData& report, size_t suite);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_BEHAVIOUR_H_

// The parts of the page: the answer, whether its numbers can be used, then what it rests on in the
// order in which a reader decides: did anything break, what was lost, how far is it from the
// baseline, what does it cost.
#ifndef BITLOSS_REPORT_HTML_SECTIONS_H_
#define BITLOSS_REPORT_HTML_SECTIONS_H_

#include <string>

#include "bitloss/report/report_data.h"

namespace bitloss {

// Each is a whole section; empty where the study has nothing to say there.
std::string AnswerSection(const ReportData& report, Timings timings);
std::string ValiditySection(const ReportData& report);
std::string VerdictSection(const ReportData& report);
std::string FailureSection(const ReportData& report);
std::string RegressionSection(const ReportData& report);
// Inside the section on fidelity: how answers part, sampled answers, what categories suggest.
std::string BehaviourParts(const ReportData& report, size_t suite);
std::string TaskSection(const ReportData& report);
std::string FidelitySection(const ReportData& report);
std::string CostSection(const ReportData& report, Timings timings);
std::string RankingSection(const ReportData& report);
std::string ProtocolSection(const ReportData& report);
std::string ProvenanceSection(const ReportData& report, Timings timings);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_HTML_SECTIONS_H_

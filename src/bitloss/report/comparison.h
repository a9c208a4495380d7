// Several studies beside each other, usually of several models.
#ifndef BITLOSS_REPORT_COMPARISON_H_
#define BITLOSS_REPORT_COMPARISON_H_

#include <span>
#include <string>
#include <vector>

#include "bitloss/report/report_data.h"
#include "bitloss/report/tables.h"

namespace bitloss {

// One row for each lane of each study: model, size, its numbers under a protocol that the studies
// share (id and text; where its text differs the row is empty) and its answers to the suite.
Table ComparisonTable(std::span<const ReportData> reports, const ProtocolRecord& protocol);
Table ComparisonOfAnswers(std::span<const ReportData> reports, const SuiteRecord& suite);

// Gives studies of models of one name names that differ: "tiny (runs/a)". As many folders as
// reports, no two the same.
void TellApart(std::span<ReportData> reports, std::span<const std::string> folders);

// What a reader must know before comparing: baselines, tokenizers, texts and how much of them,
// suites, options or versions that differ, lanes of one name that are not the same thing, errors of
// any study. Empty if nothing does.
std::vector<std::string> ComparisonWarnings(std::span<const ReportData> reports);

// One self-contained page: what cannot be compared, a table for each protocol and suite, size
// against damage of all lanes of all studies. Requires: at least one report.
std::string WriteComparison(std::span<const ReportData> reports);

// The rows of WriteCsv of all studies, with the model's name as the first column.
std::string WriteComparisonCsv(std::span<const ReportData> reports, Timings timings);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_COMPARISON_H_

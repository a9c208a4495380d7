// A report in the forms that people and programs read. Each is a pure function of the report: the
// same study gives the same bytes (with Timings::kOmit, also two runs of it on two machines).
#ifndef BITLOSS_REPORT_WRITERS_H_
#define BITLOSS_REPORT_WRITERS_H_

#include <filesystem>
#include <string>

#include "bitloss/base/result.h"
#include "bitloss/report/report_data.h"

namespace bitloss {

// Schema bitloss.report/1, described in docs/report.md and by report.schema.json.
std::string WriteJson(const ReportData& report, Timings timings = Timings::kInclude);

// One self-contained page: no network, works without scripts, light and dark, prints well.
std::string WriteHtml(const ReportData& report, Timings timings = Timings::kInclude);

// GitHub-flavoured Markdown.
std::string WriteMarkdown(const ReportData& report, Timings timings = Timings::kInclude);

// RFC 4180: a row for each lane x (protocol, suite, category); what was not measured is empty.
std::string WriteCsv(const ReportData& report, Timings timings = Timings::kInclude);

// A block for the model's card on a hub: YAML front matter (base_model, model-index with a result
// for each lane and text or suite) and Markdown tables with the same intervals and verdicts.
std::string WriteModelCard(const ReportData& report);

// The scoreboard as a picture, for a slide or a chat: SVG that needs nothing from outside.
std::string WriteSharePicture(const ReportData& report, Timings timings = Timings::kInclude);

// The result file of the scripts that bitloss replaces, of one lane, key for key: perplexity of
// `lines-512-seed` if it was measured, else of the first protocol; answers of the first suite.
// Requires: lane < report.lanes.size().
std::string WriteSeed(const ReportData& report, size_t lane, Timings timings = Timings::kInclude);

// Plain text for a terminal: the answer, scoreboard and one sentence a lane, in at most 23 lines;
// of many lanes what fits.
std::string TerminalAnswer(const ReportData& report);

// The same for everything: every text and suite, every finding.
std::string TerminalDetails(const ReportData& report);

// report.json, report.md, report.html and seed/<lane>.json in `folder`, each replaced whole.
Status WriteReportFiles(const ReportData& report, const std::filesystem::path& folder,
                        Timings timings = Timings::kInclude);

// The JSON schema that WriteJson's output follows (report.schema.json).
std::string_view ReportJsonSchema();

}  // namespace bitloss

#endif  // BITLOSS_REPORT_WRITERS_H_

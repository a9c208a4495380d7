// The numbers of the answer on one line a lane: what it weighs, what it costs, what may be said of
// it (summary.h). Page, terminal, Markdown and the share picture show these cells.
#ifndef BITLOSS_REPORT_SCOREBOARD_H_
#define BITLOSS_REPORT_SCOREBOARD_H_

#include <string>
#include <vector>

#include "bitloss/report/report_data.h"
#include "bitloss/report/tables.h"

namespace bitloss {

// One row for each lane, the baseline first. Of several texts or suites the first is shown; the
// verdict is over all. What is open to doubt is in the note of the number that it concerns.
Table Scoreboard(const ReportData& report, Timings timings);

// What the numbers were measured on, a sentence each.
std::vector<std::string> ScoreboardNotes(const ReportData& report, Timings timings);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_SCOREBOARD_H_

// A ranking of lanes as tables.
#ifndef BITLOSS_REPORT_RANKING_TABLES_H_
#define BITLOSS_REPORT_RANKING_TABLES_H_

#include <string>

#include "bitloss/report/ranking.h"
#include "bitloss/report/report_data.h"
#include "bitloss/report/tables.h"

namespace bitloss {

// One row for each lane that is compared, the closest to the baseline first: its place, its group,
// its size, and whether another is no larger and closer.
Table RankingTable(const ReportData& report, const Ranking& ranking);

// One row for each pair: the difference with its interval, and what it shows.
Table PairTable(const ReportData& report, const Ranking& ranking);

// By what lanes are ranked, and at which confidence; empty without two lanes.
std::string RankingCaption(const ReportData& report, const Ranking& ranking);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_RANKING_TABLES_H_

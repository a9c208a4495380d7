#include "bitloss/report/ranking_tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "bitloss/report/chart_data.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/paired_kl.h"
#include "bitloss/report/pareto.h"
#include "bitloss/report/summary.h"
#include "bitloss/report/verdicts.h"

namespace bitloss {
namespace {

std::string Places(const RankedLane& lane) {
  return lane.first_place == lane.last_place
             ? std::to_string(lane.first_place)
             : fmt::format("{}-{}", lane.first_place, lane.last_place);
}

Cell VerdictCell(const LaneResult& lane) {
  const std::optional<Verdict> verdict = OverallVerdict(lane);
  return verdict ? Cell{std::string(Name(*verdict)), "", ToneOf(*verdict)} : Cell{};
}

}  // namespace

Table RankingTable(const ReportData& report, const Ranking& ranking) {
  Table table{{{"Lane", "", Align::kLeft},
               {"Place", "", Align::kRight},
               {"Group", "", Align::kLeft},
               {"KL mean", "nats/token", Align::kRight},
               {"Size", "MB", Align::kRight},
               {"Standing", "", Align::kLeft},
               {"Verdict", "", Align::kLeft}},
              {}};
  const std::vector<ParetoPoint> points = MakePareto(report, Cost::kBytes);
  for (const RankedLane& ranked : ranking.lanes) {
    const LaneResult& lane = report.lanes[ranked.lane];
    const auto point = std::ranges::find(points, ranked.lane, &ParetoPoint::lane);
    table.rows.push_back(
        {{lane.record.scheme, ""},
         {Places(ranked), ""},
         {ranked.groups, ""},
         {FormatDivergence(ranked.kl.value), FormatInterval(ranked.kl, FormatDivergence)},
         {FormatMegabytes(lane.record.weight_bytes), ""},
         {point == points.end() ? "" : Standing(report, *point), ""},
         VerdictCell(lane)});
  }
  table.DropEmptyColumns();
  return table;
}

Table PairTable(const ReportData& report, const Ranking& ranking) {
  Table table{{{"Lane", "", Align::kLeft},
               {"beside", "", Align::kLeft},
               {"KL, difference", "nats/token", Align::kRight},
               {"What the data show", "", Align::kLeft}},
              {}};
  for (const LanePair& pair : ranking.pairs) {
    const auto name = [&](size_t lane) { return report.lanes[lane].record.scheme; };
    Cell difference;
    if (pair.difference) {
      difference = {FormatDivergence(pair.difference->value),
                    FormatInterval(*pair.difference, FormatDivergence)};
    }
    table.rows.push_back(
        {{name(pair.b), ""},
         {name(pair.a), ""},
         difference,
         {pair.closer ? name(*pair.closer) + " is closer to the baseline" : "cannot be told apart",
          ""}});
  }
  return table;
}

std::string RankingCaption(const ReportData& report, const Ranking& ranking) {
  if (ranking.pairs.empty()) return {};
  return fmt::format(
      "By {}, lowest first. Lanes with a letter in common cannot be told apart: the interval of "
      "their paired difference, at {:.2f}% for each of {} pair{} (95% together), holds 0; a place "
      "is what is left open by that. Dominated: another lane is no larger and shown to be closer.",
      KlMeasure(report), 100 * ranking.confidence, ranking.pairs.size(),
      ranking.pairs.size() == 1 ? "" : "s");
}

}  // namespace bitloss

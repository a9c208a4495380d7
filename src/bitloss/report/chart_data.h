// The data of the page's charts: for the static drawings, and as JSON for Vega, which draws them
// again where scripts run (page/charts.js).
#ifndef BITLOSS_REPORT_CHART_DATA_H_
#define BITLOSS_REPORT_CHART_DATA_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "bitloss/report/chart.h"
#include "bitloss/report/pareto.h"
#include "bitloss/report/report_data.h"

namespace bitloss {

enum class BandKind { kPosition, kConfidence };

// Size against damage, for the static drawing. No points where nothing can be drawn.
Chart SizeChart(const ReportData& report);

// A line for each lane that was compared under the protocol; no lines where none was.
LineChart BandChart(const ReportData& report, size_t protocol, BandKind kind);

// What charts.js draws a figure from.
//   scatter: {kind, baseline: {lane, size, speed?}, title, points: [{lane, color, size, speed?, kl,
//             low?, high?, standing, standing_speed?}]}
//   lines:   {kind, bands, x_title, y_title, points: [{lane, color, band, kl, low?, high?,
//   tokens}]}
std::string ScatterJson(const ReportData& report, Timings timings);
std::string BandJson(const ReportData& report, size_t protocol, BandKind kind);

// A JSON text as the content of a script element: no '<' survives, so nothing in it can end it.
std::string JsonForHtml(const nlohmann::ordered_json& json);

// "dominated by awq", "tied with nf4", "on the front".
std::string Standing(const ReportData& report, const ParetoPoint& point);

// Which of the page's eight colours a lane has, by its place among the lanes.
size_t LaneColor(size_t lane);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_CHART_DATA_H_

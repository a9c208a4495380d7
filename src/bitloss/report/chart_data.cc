#include "bitloss/report/chart_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "bitloss/report/paired_kl.h"
#include "bitloss/report/tables.h"

namespace bitloss {
namespace {

using Json = nlohmann::ordered_json;

// As many digits as a chart and its tooltip can show.
double Rounded(double value) {
  if (!std::isfinite(value)) return value;
  return std::strtod(fmt::format("{:.4g}", value).c_str(), nullptr);
}

void SetEstimate(Json& json, const Estimate& estimate) {
  json["kl"] = Rounded(estimate.value);
  if (!estimate.interval) return;
  json["low"] = Rounded(estimate.interval->low);
  json["high"] = Rounded(estimate.interval->high);
}

const std::vector<Band>& BandsOf(const TextResult& text, BandKind kind) {
  return kind == BandKind::kPosition ? text.bands.by_position : text.bands.by_confidence;
}

// Names of all bands that some lane has, in order.
std::vector<std::string> BandNames(const ReportData& report, size_t protocol, BandKind kind) {
  std::vector<std::pair<double, std::string>> names;
  for (const LaneResult& lane : report.lanes) {
    const TextResult* text = FindText(lane, protocol);
    if (text == nullptr) continue;
    for (const Band& band : BandsOf(*text, kind)) {
      const std::pair<double, std::string> entry{band.low, band.name};
      if (std::ranges::find(names, entry) == names.end()) names.push_back(entry);
    }
  }
  std::ranges::sort(names);
  std::vector<std::string> sorted;
  for (auto& [low, name] : names) sorted.push_back(std::move(name));
  return sorted;
}

size_t IndexOf(const std::vector<std::string>& names, const std::string& name) {
  return static_cast<size_t>(std::ranges::find(names, name) - names.begin());
}

}  // namespace

size_t LaneColor(size_t lane) { return lane == 0 ? 0 : (lane - 1) % 8 + 1; }

Chart SizeChart(const ReportData& report) {
  const LaneRecord& baseline = report.lanes[0].record;
  Chart chart{.points = {},
              .baseline_label = baseline.scheme,
              .baseline_megabytes = static_cast<double>(baseline.weight_bytes) / 1e6,
              .y_title = KlMeasure(report)};
  for (const ParetoPoint& point : MakePareto(report, Cost::kBytes)) {
    chart.points.push_back({report.lanes[point.lane].record.scheme, point.cost, point.kl.value,
                            point.kl.interval, point.dominated_by.has_value()});
  }
  return chart;
}

LineChart BandChart(const ReportData& report, size_t protocol, BandKind kind) {
  LineChart chart{.bands = BandNames(report, protocol, kind),
                  .lines = {},
                  .x_title = kind == BandKind::kPosition
                                 ? "position: tokens before it in its sequence"
                                 : "probability of the baseline's most likely token",
                  .y_title = "mean KL, nats/token"};
  for (size_t i = 0; i < report.lanes.size(); ++i) {
    const LaneResult& lane = report.lanes[i];
    const TextResult* text = FindText(lane, protocol);
    if (text == nullptr || lane.error || BandsOf(*text, kind).empty()) continue;
    LineChart::Line line{.label = lane.record.scheme, .color = LaneColor(i), .points = {}};
    for (const Band& band : BandsOf(*text, kind)) {
      line.points.push_back({IndexOf(chart.bands, band.name), band.kl.value, band.kl.interval});
    }
    chart.lines.push_back(std::move(line));
  }
  return chart;
}

std::string Standing(const ReportData& report, const ParetoPoint& point) {
  const auto scheme = [&](size_t lane) { return report.lanes[lane].record.scheme; };
  if (point.dominated_by) return "dominated by " + scheme(*point.dominated_by);
  if (point.tied_with.empty()) return "on the front";
  std::string names;
  for (const size_t lane : point.tied_with) names += (names.empty() ? "" : ", ") + scheme(lane);
  return "tied with " + names;
}

std::string ScatterJson(const ReportData& report, Timings timings) {
  const LaneResult& baseline = report.lanes[0];
  Json json = {{"kind", "scatter"}, {"title", KlMeasure(report)}};
  json["baseline"] = {{"lane", baseline.record.scheme},
                      {"size", static_cast<double>(baseline.record.weight_bytes) / 1e6}};
  std::vector<ParetoPoint> by_speed;
  if (timings == Timings::kInclude) by_speed = MakePareto(report, Cost::kDecodeSpeed);
  if (baseline.decode_tokens_per_second && !by_speed.empty()) {
    json["baseline"]["speed"] = *baseline.decode_tokens_per_second;
  }
  json["points"] = Json::array();
  for (const ParetoPoint& point : MakePareto(report, Cost::kBytes)) {
    Json one = {{"lane", report.lanes[point.lane].record.scheme},
                {"color", LaneColor(point.lane)},
                {"size", point.cost}};
    SetEstimate(one, point.kl);
    one["standing"] = Standing(report, point);
    const auto speed = std::ranges::find(by_speed, point.lane, &ParetoPoint::lane);
    if (speed != by_speed.end()) {
      one["speed"] = speed->cost;
      one["standing_speed"] = Standing(report, *speed);
    }
    json["points"].push_back(std::move(one));
  }
  return JsonForHtml(json);
}

std::string BandJson(const ReportData& report, size_t protocol, BandKind kind) {
  const LineChart chart = BandChart(report, protocol, kind);
  Json json = {{"kind", "lines"},
               {"bands", chart.bands},
               {"x_title", chart.x_title},
               {"y_title", chart.y_title}};
  json["points"] = Json::array();
  for (size_t i = 0; i < report.lanes.size(); ++i) {
    const TextResult* text = FindText(report.lanes[i], protocol);
    if (text == nullptr || report.lanes[i].error) continue;
    for (const Band& band : BandsOf(*text, kind)) {
      Json one = {{"lane", report.lanes[i].record.scheme},
                  {"color", LaneColor(i)},
                  {"band", band.name},
                  {"tokens", band.num_tokens}};
      SetEstimate(one, band.kl);
      json["points"].push_back(std::move(one));
    }
  }
  return JsonForHtml(json);
}

std::string JsonForHtml(const Json& json) {
  std::string text;
  for (const char c : json.dump(-1, ' ', true, Json::error_handler_t::replace)) {
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
  }
  return text;
}

}  // namespace bitloss

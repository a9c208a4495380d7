#include "bitloss/report/comparison.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "bitloss/report/chart_data.h"
#include "bitloss/report/html.h"
#include "bitloss/report/html_table.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/page.h"
#include "bitloss/report/paired_kl.h"
#include "bitloss/report/pareto.h"
#include "bitloss/report/stored_model.h"
#include "bitloss/report/writers.h"
#include "bitloss/stats/proportion.h"

namespace bitloss {
namespace {

std::vector<Cell> LaneCells(const ReportData& report, const LaneResult& lane) {
  return {{report.manifest.model.name, ""},
          {lane.record.scheme, lane.record.baseline ? "baseline" : ""},
          {FormatBits(lane.record.bits_per_weight), ""},
          {FormatMegabytes(lane.record.weight_bytes),
           StoredModelNote(report.manifest.model, lane.record)}};
}

const std::vector<Column> kLaneColumns = {{"Model", "", Align::kLeft},
                                          {"Lane", "", Align::kLeft},
                                          {"Bits/weight", "", Align::kRight},
                                          {"Size", "MB", Align::kRight}};

void Append(std::vector<Cell>& row, std::vector<Cell> cells) {
  row.insert(row.end(), cells.begin(), cells.end());
}

// The place of a protocol, or suite, in a study; none if it is not there.
std::optional<size_t> PlaceOf(const ReportData& report, const ProtocolRecord& protocol) {
  const auto& all = report.manifest.protocols;
  const auto found = std::ranges::find_if(all, [&](const ProtocolRecord& other) {
    return other.id == protocol.id && other.text_hash == protocol.text_hash;
  });
  if (found == all.end()) return std::nullopt;
  return static_cast<size_t>(found - all.begin());
}

std::optional<size_t> PlaceOf(const ReportData& report, const SuiteRecord& suite) {
  const auto& all = report.manifest.suites;
  const auto found = std::ranges::find(all, suite.hash, &SuiteRecord::hash);
  if (found == all.end()) return std::nullopt;
  return static_cast<size_t>(found - all.begin());
}

// What the studies have, each once, in the order of the first that has it.
template <class Record, class Key>
std::vector<Record> Union(std::span<const ReportData> reports,
                          std::vector<Record> Manifest::*records, const Key& key) {
  std::vector<Record> all;
  std::set<std::string> seen;
  for (const ReportData& report : reports) {
    for (const Record& record : report.manifest.*records) {
      if (seen.insert(key(record)).second) all.push_back(record);
    }
  }
  return all;
}

std::vector<ProtocolRecord> Protocols(std::span<const ReportData> reports) {
  return Union(reports, &Manifest::protocols,
               [](const ProtocolRecord& record) { return record.id + " " + record.text_hash; });
}

std::vector<SuiteRecord> Suites(std::span<const ReportData> reports) {
  return Union(reports, &Manifest::suites, [](const SuiteRecord& record) { return record.hash; });
}

// With Wilson's interval of the share.
Cell PassedCell(const PromptCounts& counts) {
  if (counts.num_decided() == 0) return {};
  const Interval share = WilsonInterval(counts.num_passed, counts.num_decided());
  return {fmt::format("{}/{}", counts.num_passed, counts.num_decided()),
          fmt::format("[{:.0f}, {:.0f}] %", 100 * share.low, 100 * share.high)};
}

// "tokenizers differ" if what `key` names is not the same in all studies.
template <class Key>
bool Differ(std::span<const ReportData> reports, const Key& key) {
  return std::ranges::any_of(
      reports, [&](const ReportData& report) { return key(report) != key(reports[0]); });
}

std::string ScatterOf(std::span<const ReportData> reports, Chart& chart) {
  nlohmann::ordered_json json = {{"kind", "scatter"},
                                 {"title", chart.y_title},
                                 {"baseline", nlohmann::ordered_json::object()},
                                 {"points", nlohmann::ordered_json::array()}};
  for (size_t r = 0; r < reports.size(); ++r) {
    for (const ParetoPoint& point : MakePareto(reports[r], Cost::kBytes)) {
      const std::string label =
          reports[r].manifest.model.name + " " + reports[r].lanes[point.lane].record.scheme;
      chart.points.push_back({label, point.cost, point.kl.value, point.kl.interval});
      nlohmann::ordered_json one = {{"lane", label},
                                    {"color", LaneColor(r + 1)},
                                    {"size", point.cost},
                                    {"kl", point.kl.value},
                                    {"standing", KlMeasure(reports[r])}};
      if (point.kl.interval) {
        one["low"] = point.kl.interval->low;
        one["high"] = point.kl.interval->high;
      }
      json["points"].push_back(std::move(one));
    }
  }
  return JsonForHtml(json);
}

std::string ChartSection(std::span<const ReportData> reports) {
  Chart chart{.points = {},
              .baseline_label = "",
              .baseline_megabytes = 0.0,
              .y_title = "mean KL from each model's own baseline, nats/token"};
  const std::string data = ScatterOf(reports, chart);
  if (chart.points.empty()) return {};
  return HtmlSection(
      "chart", "Size against damage",
      HtmlFigure(
          data,
          DrawChart(chart, 900, 400, "chart-wide") + DrawChart(chart, 370, 340, "chart-narrow"),
          "Each lane against the baseline of its own model: lower has changed less, which "
          "does not make it the better model. Bars are 95% intervals; the vertical axis is "
          "logarithmic."));
}

// Where the first row of a CSV text ends, line break included; breaks inside quotes are text.
size_t EndOfRow(std::string_view csv) {
  bool quoted = false;
  for (size_t i = 0; i < csv.size(); ++i) {
    if (csv[i] == '"') quoted = !quoted;
    if (csv[i] == '\n' && !quoted) return i + 1;
  }
  return csv.size();
}

std::string Header(std::span<const ReportData> reports) {
  std::string items;
  for (const ReportData& report : reports) {
    const ModelRecord& model = report.manifest.model;
    items += fmt::format("<dt>{}</dt><dd>{}, {} parameters, {} lanes <code>{}</code></dd>\n",
                         EscapeHtml(model.name), EscapeHtml(model.architecture),
                         FormatCount(model.num_parameters), report.lanes.size(),
                         EscapeHtml(Shortened(model.identity, 16)));
  }
  return fmt::format(
      "<header>\n<h1>{} studies compared</h1>\n<p class=\"lead\">What quantization changed in each "
      "model, against its own baseline.</p>\n<dl class=\"provenance\">\n{}</dl></header>\n",
      reports.size(), items);
}

}  // namespace

Table ComparisonTable(std::span<const ReportData> reports, const ProtocolRecord& protocol) {
  Table table{kLaneColumns, {}};
  for (const Column& column : std::vector<Column>{{"Perplexity", "", Align::kRight},
                                                  {"Change", "%", Align::kRight},
                                                  {"KL mean", "nats/token", Align::kRight},
                                                  {"Same top-1", "%", Align::kRight},
                                                  {"Label", "", Align::kLeft},
                                                  {"Predictions", "tokens", Align::kRight}}) {
    table.columns.push_back(column);
  }
  for (const ReportData& report : reports) {
    const std::optional<size_t> place = PlaceOf(report, protocol);
    if (!place) continue;
    for (const LaneResult& lane : report.lanes) {
      const TextResult* text = FindText(lane, *place);
      if (text == nullptr) continue;
      std::vector<Cell> row = LaneCells(report, lane);
      const std::optional<Interval>& own = text->perplexity_interval;
      Append(
          row,
          {{FormatPerplexity(text->perplexity),
            own ? fmt::format("[{}, {}]", FormatPerplexity(own->low), FormatPerplexity(own->high))
                : ""},
           EstimateCell(text->change_percent, FormatSignedPercent),
           text->kl ? EstimateCell(text->kl->mean, FormatDivergence) : Cell{},
           EstimateCell(text->top1_agreement, FormatShare),
           {text->label ? std::string(Name(*text->label)) : "",
            text->floor ? "floor " + FormatDivergence(text->floor->kl) : ""},
           {FormatCount(text->num_predictions), ""}});
      table.rows.push_back(std::move(row));
    }
  }
  table.DropEmptyColumns();
  return table;
}

Table ComparisonOfAnswers(std::span<const ReportData> reports, const SuiteRecord& suite) {
  Table table{kLaneColumns, {}};
  for (const ReportData& report : reports) {
    const std::optional<size_t> place = PlaceOf(report, suite);
    if (!place) continue;
    for (const LaneResult& lane : report.lanes) {
      const SuiteResult* result = FindSuite(lane, *place);
      if (result == nullptr) continue;
      const PromptCounts& counts = result->counts;
      const bool compared = !lane.record.baseline;
      const bool checked = counts.num_checked > 0;
      std::vector<Cell> row = LaneCells(report, lane);
      Append(row,
             {PassedCell(counts),
              {checked && compared ? std::to_string(counts.num_regressions) : "", ""},
              {checked && compared ? std::to_string(counts.num_recoveries) : "", ""},
              {compared ? fmt::format("{}/{}", counts.num_identical, counts.num_prompts) : "", ""},
              EstimateCell(counts.answer_kl, FormatDivergence)});
      table.rows.push_back(std::move(row));
    }
  }
  for (const Column& column : std::vector<Column>{{"Passed", "prompts", Align::kRight},
                                                  {"Lost", "prompts", Align::kRight},
                                                  {"Regained", "prompts", Align::kRight},
                                                  {"Identical", "prompts", Align::kRight},
                                                  {"Answer KL", "nats/token", Align::kRight}}) {
    table.columns.push_back(column);
  }
  table.DropEmptyColumns();
  return table;
}

namespace {

// "A: 96, B: 500".
template <class Value>
std::string EachOf(std::span<const ReportData> reports, const Value& value) {
  std::string text;
  for (const ReportData& report : reports) {
    const std::string one = value(report);
    if (one.empty()) continue;
    text += (text.empty() ? "" : ", ") + report.manifest.model.name + ": " + one;
  }
  return text;
}

// Texts of which the studies scored different numbers of sequences, and suites likewise.
template <class Record, class Count>
void AddUnlikeParts(std::span<const ReportData> reports, const std::vector<Record>& records,
                    const std::string& what, const Count& count, std::vector<std::string>& out) {
  for (const Record& record : records) {
    std::set<std::string> counts;
    const auto count_of = [&](const ReportData& report) {
      const std::optional<size_t> place = PlaceOf(report, record);
      return place ? std::to_string(count(report.manifest, *place)) : std::string();
    };
    for (const ReportData& report : reports) {
      if (const std::string one = count_of(report); !one.empty()) counts.insert(one);
    }
    if (counts.size() < 2) continue;
    out.push_back(fmt::format("{} of {} differ ({}): their numbers are of different samples", what,
                              record.id, EachOf(reports, count_of)));
  }
}

// Lanes of one name whose definitions differ.
void AddUnlikeLanes(std::span<const ReportData> reports, std::vector<std::string>& out) {
  std::map<std::string, std::set<std::string>> definitions;
  for (const ReportData& report : reports) {
    for (const LaneResult& lane : report.lanes) {
      definitions[lane.record.scheme].insert(lane.record.definition);
    }
  }
  for (const auto& [scheme, meanings] : definitions) {
    if (meanings.size() < 2) continue;
    out.push_back(fmt::format("lane '{}' is not the same in all studies: {}", scheme,
                              fmt::join(meanings, ", ")));
  }
}

void AddUnlikeSamples(std::span<const ReportData> reports, std::vector<std::string>& out) {
  AddUnlikeParts(
      reports, Protocols(reports), "sequences",
      [](const Manifest& manifest, size_t p) { return manifest.protocols[p].num_units; }, out);
  AddUnlikeParts(
      reports, Suites(reports), "prompts",
      [](const Manifest& manifest, size_t s) { return manifest.suites[s].num_prompts; }, out);
}

}  // namespace

void TellApart(std::span<ReportData> reports, std::span<const std::string> folders) {
  std::map<std::string, size_t> counts;
  for (const ReportData& report : reports) ++counts[report.manifest.model.name];
  for (size_t i = 0; i < reports.size(); ++i) {
    std::string& name = reports[i].manifest.model.name;
    if (counts[name] > 1) name += " (" + folders[i] + ")";
  }
}

std::vector<std::string> ComparisonWarnings(std::span<const ReportData> reports) {
  std::vector<std::string> warnings;
  for (const ReportData& report : reports) {
    for (const std::string& warning : Warnings(report)) {
      warnings.push_back(report.manifest.model.name + ": " + warning);
    }
  }
  const auto baseline = [](const ReportData& r) { return r.lanes[0].record.scheme; };
  if (Differ(reports, baseline)) {
    warnings.push_back(fmt::format("the baselines differ ({}): each change is from its own",
                                   EachOf(reports, baseline)));
  }
  AddUnlikeSamples(reports, warnings);
  AddUnlikeLanes(reports, warnings);
  if (Differ(reports, [](const ReportData& r) { return r.manifest.tokenizer_identity; })) {
    warnings.push_back(
        "the models cut text into different tokens: perplexities and KL per token cannot be "
        "compared between models, only the changes within each");
  }
  const auto ids = [](const ReportData& report) {
    std::vector<std::string> all;
    for (const ProtocolRecord& p : report.manifest.protocols) all.push_back(p.id + p.text_hash);
    return all;
  };
  if (Differ(reports, ids)) warnings.push_back("the studies do not share all protocols and texts");
  const auto suites = [](const ReportData& report) {
    std::vector<std::string> all;
    for (const SuiteRecord& suite : report.manifest.suites) all.push_back(suite.hash);
    return all;
  };
  if (Differ(reports, suites)) warnings.push_back("the studies do not share all suites");
  if (Differ(reports, [](const ReportData& r) { return r.manifest.numeric_version; })) {
    warnings.push_back(
        "the studies were measured by programs of different numeric versions: where they differ "
        "may be the programs' doing");
  }
  if (Differ(reports, [](const ReportData& r) { return r.manifest.options; })) {
    warnings.push_back("the studies were made with different options");
  }
  if (Differ(reports, [](const ReportData& r) { return r.manifest.bitloss_version; })) {
    warnings.push_back("the studies were measured by different versions of bitloss");
  }
  return warnings;
}

std::string WriteComparison(std::span<const ReportData> reports) {
  std::string body = Header(reports);
  std::string warnings;
  for (const std::string& warning : ComparisonWarnings(reports)) {
    warnings += "<p>" + EscapeHtml(warning) + "</p>";
  }
  if (!warnings.empty()) {
    body += "<div class=\"warnings\" role=\"alert\">" + warnings + "</div>\n";
  }
  std::string texts;
  for (const ProtocolRecord& protocol : Protocols(reports)) {
    const std::string title = protocol.text + ", " + protocol.id;
    texts += fmt::format("<h3>{}</h3>\n{}", EscapeHtml(title),
                         HtmlTable(ComparisonTable(reports, protocol), FirstRow::kPlain, title));
  }
  body += HtmlSection(
      "texts", "Texts",
      texts.empty()
          ? ""
          : HtmlNote("95% intervals, paired, over the articles or blocks of each text.") + texts);
  std::string answers;
  for (const SuiteRecord& suite : Suites(reports)) {
    answers +=
        fmt::format("<h3>{}</h3>\n{}", EscapeHtml(suite.id),
                    HtmlTable(ComparisonOfAnswers(reports, suite), FirstRow::kPlain, suite.id));
  }
  body += HtmlSection("answers", "Answers", answers) + ChartSection(reports);
  return FillPage(fmt::format("{} studies compared", reports.size()),
                  reports[0].manifest.bitloss_version, body);
}

std::string WriteComparisonCsv(std::span<const ReportData> reports, Timings timings) {
  std::string csv;
  for (const ReportData& report : reports) {
    std::string name = "\"";
    for (const char c : report.manifest.model.name) name += c == '"' ? "\"\"" : std::string(1, c);
    name += "\"";
    const std::string all = WriteCsv(report, timings);
    std::string_view rows = all;
    for (bool header = true; !rows.empty(); header = false) {
      const size_t end = EndOfRow(rows);
      if (!header) {
        csv += name + "," + std::string(rows.substr(0, end));
      } else if (csv.empty()) {
        csv = "model," + std::string(rows.substr(0, end));
      }
      rows.remove_prefix(end);
    }
  }
  return csv;
}

}  // namespace bitloss

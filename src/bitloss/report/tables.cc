#include "bitloss/report/tables.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bitloss/base/check.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/stored_model.h"
#include "bitloss/stats/proportion.h"

namespace bitloss {
namespace {

std::string IntervalText(const std::optional<Interval>& interval, std::string (*format)(double)) {
  if (!interval) return {};
  return "[" + format(interval->low) + ", " + format(interval->high) + "]";
}

Cell SizeCell(const LaneRecord& lane) {
  Cell cell{FormatBits(lane.bits_per_weight), ""};
  if (lane.quantized_bits_per_weight) {
    cell.note = "layers " + FormatBits(*lane.quantized_bits_per_weight);
  }
  return cell;
}

std::vector<Cell> LaneCells(const ReportData& report, const LaneRecord& lane) {
  return {{lane.scheme, ""},
          SizeCell(lane),
          {FormatMegabytes(lane.weight_bytes), StoredModelNote(report.manifest.model, lane)}};
}

const std::vector<Column> kLaneColumns = {
    {"Lane", "", Align::kLeft}, {"Bits/weight", "", Align::kRight}, {"Size", "MB", Align::kRight}};

constexpr const char* kCompleted = "Completed";

void Append(std::vector<Cell>& row, std::vector<Cell> cells) {
  row.insert(row.end(), std::make_move_iterator(cells.begin()),
             std::make_move_iterator(cells.end()));
}

std::vector<Cell> TextCells(const TextResult& text) {
  std::vector<Cell> cells = {
      {FormatPerplexity(text.perplexity), IntervalText(text.perplexity_interval, FormatPerplexity)},
      EstimateCell(text.change_percent, FormatSignedPercent)};
  if (text.kl) {
    Append(cells, {EstimateCell(text.kl->mean, FormatDivergence),
                   {FormatDivergence(text.kl->p99),
                    IntervalText(text.kl->p99_interval, FormatDivergence)}});
  } else {
    Append(cells, {{}, {}});
  }
  cells.push_back(EstimateCell(text.top1_agreement, FormatShare));
  cells.push_back(text.experts ? EstimateCell(text.experts->all, FormatShare) : Cell{});
  // Only beside the noise floor does a divergence mean anything.
  cells.push_back({text.label ? std::string(Name(*text.label)) : "",
                   text.floor ? "floor " + FormatDivergence(text.floor->kl) : ""});
  return cells;
}

std::string CountOf(uint64_t part, uint64_t whole) { return fmt::format("{}/{}", part, whole); }

Cell PassedCell(const PromptCounts& counts, bool baseline) {
  if (counts.num_checked == 0) return {};
  Cell cell{CountOf(counts.num_passed, counts.num_decided()), ""};
  if (!baseline) {
    cell.note = fmt::format("lost {}, regained {}", counts.num_regressions, counts.num_recoveries);
  }
  if (counts.num_undecided > 0) {
    cell.note += fmt::format("{}{} undecided", cell.note.empty() ? "" : ", ", counts.num_undecided);
  }
  return cell;
}

Cell LabelCell(const SuiteResult& suite) {
  if (!suite.label) return {};
  return {std::string(Name(*suite.label)), "floor " + FormatDivergence(*suite.floor->answer_kl)};
}

Cell IdenticalCell(const PromptCounts& counts, bool baseline) {
  if (baseline || counts.num_prompts == 0) return {};
  const Interval share = WilsonInterval(counts.num_identical, counts.num_prompts);
  return {CountOf(counts.num_identical, counts.num_prompts),
          fmt::format("[{:.0f}, {:.0f}] %", 100 * share.low, 100 * share.high)};
}

std::vector<Cell> SuiteCells(const SuiteResult& result, bool baseline, Timings timings) {
  const PromptCounts& counts = result.counts;
  const bool timed = timings == Timings::kInclude && counts.mean_seconds;
  return {PassedCell(counts, baseline),
          IdenticalCell(counts, baseline),
          EstimateCell(counts.answer_kl, FormatDivergence),
          EstimateCell(counts.answer_top1_agreement, FormatShare),
          LabelCell(result),
          {CountOf(counts.num_completed, counts.num_prompts), ""},
          {timed ? FormatSeconds(*counts.mean_seconds) : "", ""}};
}

// The rule; a column that says so would be noise.
bool EverythingCompleted(const ReportData& report, size_t suite) {
  return std::ranges::all_of(report.lanes, [&](const LaneResult& lane) {
    const SuiteResult* result = FindSuite(lane, suite);
    return result == nullptr || result->counts.num_completed == result->counts.num_prompts;
  });
}

void ClearColumn(Table& table, std::string_view name) {
  for (size_t column = 0; column < table.columns.size(); ++column) {
    if (table.columns[column].name != name) continue;
    for (std::vector<Cell>& row : table.rows) row[column] = {};
  }
}

}  // namespace

Cell EstimateCell(const std::optional<Estimate>& estimate, std::string (*format)(double)) {
  if (!estimate) return {};
  return {format(estimate->value), FormatInterval(*estimate, format)};
}

void Table::DropEmptyColumns() {
  for (size_t column = columns.size(); column-- > 0;) {
    const bool empty = std::ranges::all_of(
        rows, [&](const std::vector<Cell>& row) { return row[column].value.empty(); });
    if (!empty) continue;
    const auto at = static_cast<std::ptrdiff_t>(column);
    columns.erase(columns.begin() + at);
    for (std::vector<Cell>& row : rows) row.erase(row.begin() + at);
  }
}

const TextResult* FindText(const LaneResult& lane, size_t protocol) {
  const auto found = std::ranges::find(lane.texts, protocol, &TextResult::protocol);
  return found == lane.texts.end() ? nullptr : &*found;
}

const SuiteResult* FindSuite(const LaneResult& lane, size_t suite) {
  const auto found = std::ranges::find(lane.suites, suite, &SuiteResult::suite);
  return found == lane.suites.end() ? nullptr : &*found;
}

const TaskResult* FindTask(const LaneResult& lane, size_t task) {
  const auto found = std::ranges::find(lane.tasks, task, &TaskResult::task);
  return found == lane.tasks.end() ? nullptr : &*found;
}

Table TextTable(const ReportData& report, size_t protocol) {
  Table table{kLaneColumns, {}};
  const bool per_word = std::ranges::any_of(report.lanes, [&](const LaneResult& lane) {
    const TextResult* text = FindText(lane, protocol);
    return text != nullptr && text->per_word;
  });
  table.columns.push_back({"Perplexity", per_word ? "per word" : "", Align::kRight});
  table.columns.push_back({"Change", "%", Align::kRight});
  table.columns.push_back({"KL mean", "nats/token", Align::kRight});
  table.columns.push_back({"KL p99", "nats/token", Align::kRight});
  table.columns.push_back({"Same top-1", "%", Align::kRight});
  table.columns.push_back({"Other experts", "%", Align::kRight});
  table.columns.push_back({"Label", "", Align::kLeft});
  for (const LaneResult& lane : report.lanes) {
    std::vector<Cell> row = LaneCells(report, lane.record);
    const TextResult* text = FindText(lane, protocol);
    Append(row, text != nullptr ? TextCells(*text) : std::vector<Cell>(7));
    table.rows.push_back(std::move(row));
  }
  table.DropEmptyColumns();
  return table;
}

Table SuiteTable(const ReportData& report, size_t suite, Timings timings) {
  Table table{kLaneColumns, {}};
  table.columns.push_back({"Passed", "", Align::kRight});
  table.columns.push_back({"Identical", "", Align::kRight});
  table.columns.push_back({"Answer KL", "nats/token", Align::kRight});
  table.columns.push_back({"Same top-1", "%", Align::kRight});
  table.columns.push_back({"Label", "", Align::kLeft});
  table.columns.push_back({kCompleted, "", Align::kRight});
  table.columns.push_back({"Answer time", "s", Align::kRight});
  for (const LaneResult& lane : report.lanes) {
    std::vector<Cell> row = LaneCells(report, lane.record);
    const SuiteResult* result = FindSuite(lane, suite);
    Append(row, result != nullptr ? SuiteCells(*result, lane.record.baseline, timings)
                                  : std::vector<Cell>(7));
    table.rows.push_back(std::move(row));
  }
  if (EverythingCompleted(report, suite)) ClearColumn(table, kCompleted);
  table.DropEmptyColumns();
  return table;
}

Table ExpertTable(const ReportData& report, size_t protocol) {
  Table table{{{"Layer", "", Align::kLeft}}, {}};
  for (const LaneResult& lane : report.lanes) {
    const TextResult* text = FindText(lane, protocol);
    if (text == nullptr || !text->experts || lane.error) continue;
    const std::vector<ExpertShares::OfLayer>& layers = text->experts->layers;
    if (table.rows.empty()) {
      for (const ExpertShares::OfLayer& layer : layers) {
        table.rows.push_back({{fmt::format("{}", layer.layer), ""}});
      }
    }
    if (layers.size() != table.rows.size()) continue;
    table.columns.push_back({lane.record.scheme, "%", Align::kRight});
    for (size_t i = 0; i < layers.size(); ++i) {
      table.rows[i].push_back(EstimateCell(layers[i].changed, FormatShare));
    }
  }
  return table;
}

Table CategoryTable(const ReportData& report, size_t suite) {
  Table table{{{"Category", "", Align::kLeft}}, {}};
  std::vector<const SuiteResult*> results;
  for (const LaneResult& lane : report.lanes) {
    const SuiteResult* result = FindSuite(lane, suite);
    if (result == nullptr) continue;
    results.push_back(result);
    table.columns.push_back({lane.record.scheme, "", Align::kRight});
  }
  if (results.empty()) return {};
  for (size_t c = 0; c < results[0]->categories.size(); ++c) {
    std::vector<Cell> row = {{results[0]->categories[c].name, ""}};
    for (const SuiteResult* result : results) {
      const PromptCounts& counts = result->categories[c].counts;
      Cell cell{counts.num_checked > 0 ? CountOf(counts.num_passed, counts.num_decided())
                                       : CountOf(counts.num_completed, counts.num_prompts),
                ""};
      if (!counts.CanShowRegressions()) cell.note = "the baseline passes too few to lose any; ";
      if (counts.num_undecided > 0) {
        cell.note += fmt::format("{} undecided; ", counts.num_undecided);
      }
      if (counts.answer_kl) cell.note += "KL " + FormatDivergence(counts.answer_kl->value);
      row.push_back(std::move(cell));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table CoverageTable(const ReportData& report) {
  Table table{{{"Lane", "", Align::kLeft},
               {"Part of the model", "", Align::kLeft},
               {"Format", "", Align::kLeft},
               {"Weights", "", Align::kRight},
               {"Size", "MB", Align::kRight},
               {"Bits/weight", "", Align::kRight}},
              {}};
  for (const LaneResult& lane : report.lanes) {
    const auto coverage = nlohmann::json::parse(lane.record.coverage, nullptr, false);
    if (!coverage.is_object() || !coverage.contains("parts")) continue;
    for (const auto& part : coverage["parts"]) {
      if (!part.is_object()) continue;
      const uint64_t weights = part.value("weights", uint64_t{0});
      const uint64_t bytes = part.value("bytes", uint64_t{0});
      const double bits = 8.0 * static_cast<double>(bytes) / static_cast<double>(weights);
      table.rows.push_back({{lane.record.scheme, ""},
                            {part.value("tensors", ""), ""},
                            {part.value("format", ""), ""},
                            {FormatCount(weights), ""},
                            {FormatMegabytes(bytes), ""},
                            {weights > 0 ? FormatBits(bits) : "", ""}});
    }
  }
  return table;
}

Table SpeedTable(const ReportData& report) {
  Table table{{{"Lane", "", Align::kLeft},
               {"Reading", "tokens/s", Align::kRight},
               {"Writing", "tokens/s", Align::kRight},
               {"Quantizing", "s", Align::kRight},
               {"Peak memory", "MB", Align::kRight}},
              {}};
  const auto rate = [](const std::optional<double>& value) {
    return Cell{value ? FormatRate(*value) : "", ""};
  };
  for (const LaneResult& lane : report.lanes) {
    table.rows.push_back(
        {{lane.record.scheme, ""},
         rate(lane.prefill_tokens_per_second),
         rate(lane.decode_tokens_per_second),
         {lane.quantize_seconds ? FormatSeconds(*lane.quantize_seconds) : "", ""},
         {lane.peak_memory_bytes ? FormatMegabytes(*lane.peak_memory_bytes) : "", ""}});
  }
  table.DropEmptyColumns();
  return table;
}

Table Joined(const Table& left, const Table& right) {
  BITLOSS_CHECK(left.rows.size() == right.rows.size());
  const auto skip = static_cast<std::ptrdiff_t>(kLaneColumns.size());
  Table joined = left;
  joined.columns.insert(joined.columns.end(), right.columns.begin() + skip, right.columns.end());
  for (size_t i = 0; i < joined.rows.size(); ++i) {
    joined.rows[i].insert(joined.rows[i].end(), right.rows[i].begin() + skip, right.rows[i].end());
  }
  return joined;
}

std::string ProtocolTitle(const ReportData& report, size_t protocol) {
  const ProtocolRecord& record = report.manifest.protocols[protocol];
  return fmt::format("{}, {}", record.text, record.id);
}

std::string ProtocolCaption(const ReportData& report, size_t protocol) {
  const ProtocolRecord& record = report.manifest.protocols[protocol];
  std::string caption;
  if (const TextResult* text = FindText(report.lanes[0], protocol)) {
    caption =
        fmt::format("{} sequences, {} tokens, {} predictions", FormatCount(text->num_sequences),
                    FormatCount(text->num_tokens), FormatCount(text->num_predictions));
  }
  for (const LaneResult& lane : report.lanes) {
    const TextResult* text = FindText(lane, protocol);
    if (text == nullptr || !text->delta_nll) continue;
    const Estimate& delta = *text->delta_nll;
    caption +=
        delta.interval
            ? fmt::format("; 95% intervals, paired, over {} {}{} ({:.1f} effective)",
                          delta.num_clusters, record.cluster_kind,
                          record.cluster_kind.ends_with('s') ? "" : "s", delta.effective_clusters)
            : "; no intervals: " + WhyNoInterval(delta, record.cluster_kind);
    break;
  }
  return caption;
}

namespace {

// Each once, with all the protocols that it holds of.
void AddTextWarnings(std::span<const ProtocolRecord> protocols, std::vector<std::string>& out) {
  for (size_t p = 0; p < protocols.size(); ++p) {
    const auto has = [&](const ProtocolRecord& other, const std::string& warning) {
      return other.text == protocols[p].text && std::ranges::count(other.warnings, warning) > 0;
    };
    for (const std::string& warning : protocols[p].warnings) {
      std::vector<std::string> ids;
      for (const ProtocolRecord& other : protocols) {
        if (has(other, warning)) ids.push_back(other.id);
      }
      if (ids[0] != protocols[p].id) continue;
      out.push_back(fmt::format("{}, {}: {}", protocols[p].text, fmt::join(ids, ", "), warning));
    }
  }
}

void AddTaskWarnings(std::span<const TaskRecord> tasks, std::vector<std::string>& out) {
  for (const TaskRecord& task : tasks) {
    for (const std::string& warning : task.warnings) {
      out.push_back(fmt::format("{}: {}", task.id, warning));
    }
  }
}

}  // namespace

std::vector<std::string> Failings(const ReportData& report) {
  std::vector<std::string> failings;
  for (const LaneResult& lane : report.lanes) {
    if (lane.error) failings.push_back(fmt::format("{}: {}", lane.record.scheme, *lane.error));
  }
  if (!report.complete) {
    failings.push_back("this study is not complete: the same command goes on from here");
  }
  return failings;
}

std::vector<std::string> TextWarnings(const ReportData& report) {
  std::vector<std::string> warnings;
  AddTextWarnings(report.manifest.protocols, warnings);
  AddTaskWarnings(report.manifest.tasks, warnings);
  return warnings;
}

std::vector<std::string> Warnings(const ReportData& report) {
  std::vector<std::string> warnings = Failings(report);
  std::ranges::move(TextWarnings(report), std::back_inserter(warnings));
  return warnings;
}

}  // namespace bitloss

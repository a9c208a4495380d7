// One row for each lane x (protocol, band of positions, suite, category, hard failure, signal,
// task), full precision.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "bitloss/report/cache_size.h"
#include "bitloss/report/writers.h"
#include "bitloss/stats/paired_outcomes.h"
#include "bitloss/stats/proportion.h"

namespace bitloss {
namespace {

std::string Quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

// Collects the fields of a row in the order of the header.
class Row {
 public:
  Row& Text(const std::string& text) { return Add(Quoted(text)); }
  Row& Number(double value) { return Add(std::isfinite(value) ? fmt::format("{}", value) : ""); }
  Row& Number(const std::optional<double>& value) { return value ? Number(*value) : Add(""); }
  Row& Count(uint64_t value) { return Add(std::to_string(value)); }
  // Of a size; 0 is one that nobody told.
  template <class T>
  Row& Known(T size) {
    return Add(size == 0 ? "" : fmt::format("{}", size));
  }
  // value, low, high
  Row& Value(const std::optional<Estimate>& estimate) {
    if (!estimate) return Add("").Add("").Add("");
    return Number(estimate->value).Ends(estimate->interval);
  }
  // low, high
  Row& Ends(const std::optional<Interval>& interval) {
    if (!interval) return Add("").Add("");
    return Number(interval->low).Number(interval->high);
  }
  Row& Empty(size_t count) {
    for (size_t i = 0; i < count; ++i) Add("");
    return *this;
  }
  // What ends the line, whatever else comes.
  Row& Last(const std::string& number, const std::string& text) {
    last_ = number + ',' + Quoted(text);
    return *this;
  }
  std::string Line() const { return line_ + ',' + last_ + "\r\n"; }

 private:
  Row& Add(const std::string& field) {
    if (!first_) line_ += ',';
    first_ = false;
    line_ += field;
    return *this;
  }
  std::string line_;
  std::string last_;
  bool first_ = true;
};

constexpr std::string_view kLaneHeader =
    "scheme,kind,name,text,weight_bytes,bits_per_weight,quantized_bits_per_weight";
constexpr std::string_view kTextHeader =
    ",sequences,tokens,predictions,nll,perplexity,perplexity_low,perplexity_high"
    ",perplexity_change_percent,perplexity_change_percent_low,perplexity_change_percent_high"
    ",delta_nll,delta_nll_low,delta_nll_high,clusters,effective_clusters,interval_method"
    ",delta_nll_bootstrap_t_low,delta_nll_bootstrap_t_high"
    ",kl_mean,kl_low,kl_high,kl_median,kl_median_low,kl_median_high,kl_p90,kl_p90_low,kl_p90_high"
    ",kl_p95,kl_p95_low,kl_p95_high,kl_p99,kl_p99_low,kl_p99_high"
    ",kl_p99_9,kl_p99_9_low,kl_p99_9_high,kl_max"
    ",kl_reverse,kl_reverse_low,kl_reverse_high"
    ",top1_agreement,top1_agreement_low,top1_agreement_high"
    ",loss_verdict,divergence_verdict";
constexpr std::string_view kSuiteHeader =
    ",prompts,completed,checked,passed,regressions,recoveries"
    ",pass_change,pass_change_low,pass_change_high,mcnemar_mid_p"
    ",identical,identical_share_low,identical_share_high"
    ",answer_kl,answer_kl_low,answer_kl_high"
    ",answer_top1_agreement,answer_top1_agreement_low,answer_top1_agreement_high"
    ",chrf2,chrf2_low,chrf2_high"
    ",median_divergence,median_divergence_low,median_divergence_high,mean_seconds,answers_verdict";
// Of texts and suites alike.
constexpr std::string_view kFloorHeader =
    ",noise_floor_control,noise_floor_kl,noise_floor_top1_agreement,label";
// Of signs of degeneration and hard failures: the level, and the paired change.
constexpr std::string_view kSignHeader =
    ",level,level_low,level_high,change,change_low,change_high";

// Every field of these begins with a comma.
constexpr size_t NumFields(std::string_view header) {
  return static_cast<size_t>(std::ranges::count(header, ','));
}

Row BeginRow(const LaneRecord& lane, const char* kind, const std::string& name,
             const std::string& text) {
  Row row;
  row.Text(lane.scheme).Text(kind).Text(name).Text(text);
  row.Known(lane.weight_bytes).Known(lane.bits_per_weight).Number(lane.quantized_bits_per_weight);
  const std::optional<CacheSize> cache = CacheSizeOf(lane);
  row.Last(cache ? std::to_string(cache->bytes_per_token) : "",
           fmt::format("{}", fmt::join(lane.not_run, "; ")));
  return row;
}

std::string VerdictOf(const LaneResult& lane, Measure measure, size_t place) {
  for (const Finding& finding : lane.findings) {
    if (finding.measure == measure && finding.place == place)
      return std::string(Name(finding.verdict));
  }
  return {};
}

std::string LabelName(const std::optional<DivergenceLabel>& label) {
  return label ? std::string(Name(*label)) : std::string();
}

void AddDivergence(const DivergenceSummary& kl, Row& row) {
  row.Value(kl.mean);
  row.Number(kl.median).Ends(kl.median_interval);
  row.Number(kl.p90).Ends(kl.p90_interval);
  row.Number(kl.p95).Ends(kl.p95_interval);
  row.Number(kl.p99).Ends(kl.p99_interval);
  row.Number(kl.p999).Ends(kl.p999_interval);
  row.Number(kl.max);
}
constexpr size_t kNumDivergenceFields = 19;

std::string TextRow(const ReportData& report, const LaneResult& lane, const TextResult& text) {
  const ProtocolRecord& protocol = report.manifest.protocols[text.protocol];
  Row row = BeginRow(lane.record, "protocol", protocol.id, protocol.text);
  row.Count(text.num_sequences).Count(text.num_tokens).Count(text.num_predictions);
  row.Number(text.nll).Number(text.perplexity).Ends(text.perplexity_interval);
  row.Value(text.change_percent).Value(text.delta_nll);
  if (text.delta_nll) {
    row.Count(text.delta_nll->num_clusters).Number(text.delta_nll->effective_clusters);
    row.Text(std::string(Name(text.delta_nll->method)));
  } else {
    row.Empty(3);
  }
  row.Ends(text.delta_nll_check);
  if (text.kl) {
    AddDivergence(*text.kl, row);
  } else {
    row.Empty(kNumDivergenceFields);
  }
  row.Value(text.kl_reverse).Value(text.top1_agreement);
  row.Text(VerdictOf(lane, Measure::kLoss, text.protocol));
  row.Text(VerdictOf(lane, Measure::kDivergence, text.protocol));
  row.Empty(NumFields(kSuiteHeader));
  if (text.floor) {
    row.Text(report.lanes[text.floor->lane].record.scheme);
    row.Number(text.floor->kl).Number(text.floor->top1_agreement);
  } else {
    row.Empty(3);
  }
  return row.Text(LabelName(text.label)).Empty(NumFields(kSignHeader)).Line();
}

// Where a text's mean KL grows: what kTextHeader has of it, and how many tokens it is of.
std::string PositionRows(const ReportData& report, const LaneResult& lane, const TextResult& text) {
  constexpr size_t kBeforePredictions = 2;
  constexpr size_t kBeforeKl = NumFields(kTextHeader.substr(0, kTextHeader.find(",kl_mean")));
  constexpr size_t kAfterKl = NumFields(kTextHeader) - kBeforeKl - 3 + NumFields(kSuiteHeader) +
                              NumFields(kFloorHeader) + NumFields(kSignHeader);
  const ProtocolRecord& protocol = report.manifest.protocols[text.protocol];
  std::string rows;
  for (const Band& band : text.bands.by_position) {
    const std::string name = fmt::format("{} {}", protocol.id, band.name);
    Row row = BeginRow(lane.record, "position", name, protocol.text);
    row.Empty(kBeforePredictions).Count(band.num_tokens);
    row.Empty(kBeforeKl - kBeforePredictions - 1).Value(band.kl);
    rows += row.Empty(kAfterKl).Line();
  }
  return rows;
}

void AddOutcomes(const PromptCounts& counts, bool baseline, Row& row) {
  row.Count(counts.num_prompts).Count(counts.num_completed).Count(counts.num_checked);
  const bool checked = counts.num_checked > 0;
  const auto count_if = [&](bool measured, uint64_t count) {
    measured ? row.Count(count) : row.Empty(1);
  };
  count_if(checked, counts.num_passed);
  count_if(checked && !baseline, counts.num_regressions);
  count_if(checked && !baseline, counts.num_recoveries);
  if (const PairedTable table = counts.Outcomes(); !baseline && table.Total() > 0) {
    row.Number(NetChange(table)).Ends(TangoInterval(table)).Number(TestMcNemar(table).mid_p);
  } else {
    row.Empty(4);
  }
}

void AddCounts(const PromptCounts& counts, bool baseline, Row& row) {
  AddOutcomes(counts, baseline, row);
  baseline ? row.Empty(1) : row.Count(counts.num_identical);
  const bool any = !baseline && counts.num_prompts > 0;
  row.Ends(any ? std::optional(WilsonInterval(counts.num_identical, counts.num_prompts))
               : std::nullopt);
  row.Value(counts.answer_kl).Value(counts.answer_top1_agreement);
}

// What AddCounts adds of answers.
constexpr size_t kNumAnswerFields = 9;

void AddBehaviour(const std::optional<Behaviour>& behaviour, Row& row) {
  if (!behaviour) {
    row.Empty(6);
    return;
  }
  row.Value(behaviour->chrf2);
  for (const std::optional<uint64_t>& token :
       {behaviour->median_divergence, behaviour->median_divergence_low,
        behaviour->median_divergence_high}) {
    token ? row.Count(*token) : row.Empty(1);
  }
}

std::string SuiteRow(const ReportData& report, const LaneResult& lane, const SuiteResult& suite,
                     Timings timings) {
  const std::string& id = report.manifest.suites[suite.suite].id;
  Row row = BeginRow(lane.record, "suite", id, id);
  row.Empty(NumFields(kTextHeader));
  AddCounts(suite.counts, lane.record.baseline, row);
  AddBehaviour(suite.behaviour, row);
  row.Number(timings == Timings::kInclude ? suite.counts.mean_seconds : std::nullopt);
  row.Text(VerdictOf(lane, Measure::kAnswers, suite.suite));
  if (suite.floor) {
    row.Text(report.lanes[suite.floor->lane].record.scheme);
    row.Number(suite.floor->answer_kl).Empty(1);
  } else {
    row.Empty(3);
  }
  return row.Text(LabelName(suite.label)).Empty(NumFields(kSignHeader)).Line();
}

std::string CategoryRow(const LaneRecord& lane, const std::string& suite,
                        const CategoryResult& category, Timings timings) {
  Row row = BeginRow(lane, "category", category.name, suite);
  row.Empty(NumFields(kTextHeader));
  AddCounts(category.counts, lane.baseline, row);
  AddBehaviour(std::nullopt, row);
  row.Number(timings == Timings::kInclude ? category.counts.mean_seconds : std::nullopt);
  return row.Empty(1 + NumFields(kFloorHeader) + NumFields(kSignHeader)).Line();
}

// A row whose only fields are those of the lane and of kSignHeader, to be added.
Row BeginSign(const LaneRecord& lane, const char* kind, const std::string& name,
              const std::string& suite) {
  Row row = BeginRow(lane, kind, name, suite);
  return row.Empty(NumFields(kTextHeader) + NumFields(kSuiteHeader) + NumFields(kFloorHeader));
}

std::string SignRows(const LaneRecord& lane, const std::string& id, const SuiteResult& suite) {
  std::string rows;
  for (const FailureCount& failure : suite.failures) {
    const double share =
        static_cast<double>(failure.num_answers) / static_cast<double>(failure.num_compared);
    Row row = BeginSign(lane, "failure", failure.id, id);
    row.Number(share).Ends(failure.share_interval);
    rows += row.Number(failure.change).Ends(failure.change_interval).Line();
  }
  for (const Signal& signal : suite.signals) {
    if (!signal.mean && !signal.change) continue;
    Row row = BeginSign(lane, "signal", signal.id, id);
    rows += row.Value(signal.mean).Value(signal.change).Line();
  }
  return rows;
}

// A task in the columns of a suite: its items are the prompts; and its margin in those of a sign.
std::string TaskRows(const ReportData& report, const LaneResult& lane, const TaskResult& task) {
  const std::string& id = report.manifest.tasks[task.task].id;
  std::string rows;
  for (const TaskDecision& decision : task.decisions) {
    Row row = BeginRow(lane.record, "task", decision.measure, id);
    row.Empty(NumFields(kTextHeader));
    const PairedTable& table = decision.outcomes;
    AddOutcomes({.num_prompts = task.num_items,
                 .num_completed = task.num_items,
                 .num_checked = task.num_items,
                 .num_passed = decision.num_right,
                 .num_regressions = table.base_only,
                 .num_recoveries = table.lane_only,
                 .num_compared = table.Total(),
                 .num_baseline_passed = table.both + table.base_only},
                lane.record.baseline, row);
    row.Empty(kNumAnswerFields);
    AddBehaviour(std::nullopt, row);
    row.Empty(1);
    row.Text(&decision == task.decisions.data() ? VerdictOf(lane, Measure::kTask, task.task) : "");
    row.Empty(NumFields(kFloorHeader)).Value(decision.margin);
    rows += row.Value(decision.margin_change).Line();
  }
  return rows;
}

}  // namespace

std::string WriteCsv(const ReportData& report, Timings timings) {
  std::string csv = fmt::format("{}{}{}{}{},cache_bytes_per_token,not_run\r\n", kLaneHeader,
                                kTextHeader, kSuiteHeader, kFloorHeader, kSignHeader);
  for (const LaneResult& lane : report.lanes) {
    for (const TextResult& text : lane.texts) csv += TextRow(report, lane, text);
    for (const TextResult& text : lane.texts) csv += PositionRows(report, lane, text);
    for (const SuiteResult& suite : lane.suites) {
      const std::string& id = report.manifest.suites[suite.suite].id;
      csv += SuiteRow(report, lane, suite, timings);
      for (const CategoryResult& category : suite.categories) {
        csv += CategoryRow(lane.record, id, category, timings);
      }
      csv += SignRows(lane.record, id, suite);
    }
    for (const TaskResult& task : lane.tasks) csv += TaskRows(report, lane, task);
  }
  return csv;
}

}  // namespace bitloss

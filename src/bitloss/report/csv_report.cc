// One row for each lane x (protocol, suite, category), full precision.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "bitloss/report/writers.h"

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
  // value, low, high
  Row& Value(const std::optional<Estimate>& estimate) {
    if (!estimate) return Add("").Add("").Add("");
    Number(estimate->value);
    if (!estimate->interval) return Add("").Add("");
    return Number(estimate->interval->low).Number(estimate->interval->high);
  }
  Row& Empty(size_t count) {
    for (size_t i = 0; i < count; ++i) Add("");
    return *this;
  }
  std::string Line() const { return line_ + "\r\n"; }

 private:
  Row& Add(const std::string& field) {
    if (!first_) line_ += ',';
    first_ = false;
    line_ += field;
    return *this;
  }
  std::string line_;
  bool first_ = true;
};

constexpr std::string_view kLaneHeader =
    "scheme,kind,name,text,weight_bytes,bits_per_weight,quantized_bits_per_weight";
constexpr std::string_view kTextHeader =
    ",sequences,tokens,predictions,nll,perplexity"
    ",perplexity_change_percent,perplexity_change_percent_low,perplexity_change_percent_high"
    ",delta_nll,delta_nll_low,delta_nll_high,clusters,effective_clusters"
    ",kl_mean,kl_low,kl_high,kl_median,kl_p90,kl_p95,kl_p99,kl_max"
    ",kl_reverse,kl_reverse_low,kl_reverse_high"
    ",top1_agreement,top1_agreement_low,top1_agreement_high";
constexpr std::string_view kSuiteHeader =
    ",prompts,completed,checked,passed,regressions,recoveries,identical"
    ",answer_kl,answer_kl_low,answer_kl_high,answer_top1_agreement,mean_seconds";

// Every field of these two begins with a comma.
constexpr size_t NumFields(std::string_view header) {
  return static_cast<size_t>(std::ranges::count(header, ','));
}

Row BeginRow(const LaneRecord& lane, const char* kind, const std::string& name,
             const std::string& text) {
  Row row;
  row.Text(lane.scheme).Text(kind).Text(name).Text(text);
  row.Count(lane.weight_bytes).Number(lane.bits_per_weight).Number(lane.quantized_bits_per_weight);
  return row;
}

std::string TextRow(const ReportData& report, const LaneResult& lane, const TextResult& text) {
  const ProtocolRecord& protocol = report.manifest.protocols[text.protocol];
  Row row = BeginRow(lane.record, "protocol", protocol.id, protocol.text);
  row.Count(text.num_sequences).Count(text.num_tokens).Count(text.num_predictions);
  row.Number(text.nll).Number(text.perplexity);
  row.Value(text.change_percent).Value(text.delta_nll);
  if (text.delta_nll) {
    row.Count(text.delta_nll->num_clusters).Number(text.delta_nll->effective_clusters);
  } else {
    row.Empty(2);
  }
  if (text.kl) {
    row.Value(text.kl->mean).Number(text.kl->median).Number(text.kl->p90);
    row.Number(text.kl->p95).Number(text.kl->p99).Number(text.kl->max);
  } else {
    row.Empty(8);
  }
  row.Value(text.kl_reverse).Value(text.top1_agreement);
  return row.Empty(NumFields(kSuiteHeader)).Line();
}

std::string CountsRow(const LaneRecord& lane, const char* kind, const std::string& name,
                      const std::string& suite, const PromptCounts& counts, Timings timings) {
  Row row = BeginRow(lane, kind, name, suite);
  row.Empty(NumFields(kTextHeader));
  row.Count(counts.num_prompts).Count(counts.num_completed).Count(counts.num_checked);
  const bool checked = counts.num_checked > 0;
  const auto count_if = [&](bool measured, uint64_t count) {
    measured ? row.Count(count) : row.Empty(1);
  };
  count_if(checked, counts.num_passed);
  count_if(checked && !lane.baseline, counts.num_regressions);
  count_if(checked && !lane.baseline, counts.num_recoveries);
  count_if(!lane.baseline, counts.num_identical);
  row.Value(counts.answer_kl);
  const auto& agreement = counts.answer_top1_agreement;
  row.Number(agreement ? std::optional(agreement->value) : std::nullopt);
  row.Number(timings == Timings::kInclude ? counts.mean_seconds : std::nullopt);
  return row.Line();
}

}  // namespace

std::string WriteCsv(const ReportData& report, Timings timings) {
  std::string csv = fmt::format("{}{}{}\r\n", kLaneHeader, kTextHeader, kSuiteHeader);
  for (const LaneResult& lane : report.lanes) {
    for (const TextResult& text : lane.texts) csv += TextRow(report, lane, text);
    for (const SuiteResult& suite : lane.suites) {
      const std::string& id = report.manifest.suites[suite.suite].id;
      csv += CountsRow(lane.record, "suite", id, id, suite.counts, timings);
      for (const CategoryResult& category : suite.categories) {
        csv += CountsRow(lane.record, "category", category.name, id, category.counts, timings);
      }
    }
  }
  return csv;
}

}  // namespace bitloss

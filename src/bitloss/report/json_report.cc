// report.json: schema bitloss.report/1.
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "bitloss/report/cache_size.h"
#include "bitloss/report/paired_kl.h"
#include "bitloss/report/ranking.h"
#include "bitloss/report/summary.h"
#include "bitloss/report/writers.h"
#include "bitloss/stats/paired_outcomes.h"

namespace bitloss {
namespace {

using Json = nlohmann::ordered_json;

// JSON has no infinity; a number that is not finite is left out and the lane's error says so.
void Set(Json& json, const char* key, double value) {
  if (std::isfinite(value)) json[key] = value;
}
void Set(Json& json, const char* key, const std::optional<double>& value) {
  if (value) Set(json, key, *value);
}

// Adds low, high and what they were made of.
void SetInterval(Json& json, const Estimate& estimate) {
  if (estimate.interval) {
    Set(json, "low", estimate.interval->low);
    Set(json, "high", estimate.interval->high);
  }
  Set(json, "standard_error", estimate.standard_error);
  json["clusters"] = estimate.num_clusters;
  Set(json, "effective_clusters", estimate.effective_clusters);
  json["interval_method"] = Name(estimate.method);
}

Json EstimateJson(const char* name, const Estimate& estimate) {
  Json json = Json::object();
  Set(json, name, estimate.value);
  SetInterval(json, estimate);
  return json;
}

Json DivergenceJson(const DivergenceSummary& kl) {
  Json json = Json::object();
  Set(json, "mean", kl.mean.value);
  Set(json, "median", kl.median);
  Set(json, "p90", kl.p90);
  Set(json, "p95", kl.p95);
  Set(json, "p99", kl.p99);
  Set(json, "p99_9", kl.p999);
  Set(json, "max", kl.max);
  const auto set_ends = [&](const char* name, const std::optional<Interval>& interval) {
    if (!interval) return;
    Set(json, fmt::format("{}_low", name).c_str(), interval->low);
    Set(json, fmt::format("{}_high", name).c_str(), interval->high);
  };
  set_ends("median", kl.median_interval);
  set_ends("p90", kl.p90_interval);
  set_ends("p95", kl.p95_interval);
  set_ends("p99", kl.p99_interval);
  set_ends("p99_9", kl.p999_interval);
  SetInterval(json, kl.mean);
  return json;
}

Json ClustersJson(const TextResult& text) {
  Json clusters = Json::array();
  for (const ClusterScores& cluster : text.clusters) {
    Json one = {{"cluster", cluster.cluster}};
    Set(one, "delta_nll_sum", cluster.delta_nll_sum);
    Set(one, "delta_nll_weight", cluster.delta_nll_weight);
    Set(one, "kl_sum", cluster.kl_sum);
    Set(one, "tokens", cluster.kl_tokens);
    Set(one, "top1_agreements", cluster.top1_agreements);
    clusters.push_back(std::move(one));
  }
  return clusters;
}

Json FindingJson(const ReportData& report, const Finding& finding) {
  Json json = {{"measure", Name(finding.measure)}};
  if (finding.measure == Measure::kAnswers) {
    json["suite"] = report.manifest.suites[finding.place].id;
  } else if (finding.measure == Measure::kTask) {
    json["task"] = report.manifest.tasks[finding.place].id;
  } else {
    json["protocol"] = report.manifest.protocols[finding.place].id;
    json["text"] = report.manifest.protocols[finding.place].text;
  }
  json["verdict"] = Name(finding.verdict);
  json["margin"] = finding.margin;
  json["unit"] = finding.unit;
  Set(json, "value", finding.value);
  if (finding.interval) {
    Set(json, "low", finding.interval->low);
    Set(json, "high", finding.interval->high);
    json["confidence"] = report.confirmatory.confidence;
  }
  Set(json, "upper_bound", finding.upper_bound);
  Set(json, "lower_bound", finding.lower_bound);
  Set(json, "p", finding.p);
  Set(json, "p_holm", finding.p_holm);
  Set(json, "p_bonferroni", finding.p_bonferroni);
  json["sentence"] = finding.sentence;
  return json;
}

Json BandsJson(const std::vector<Band>& bands) {
  Json array = Json::array();
  for (const Band& band : bands) {
    Json one = {{"band", band.name}, {"tokens", band.num_tokens}};
    one["kl"] = EstimateJson("mean", band.kl);
    array.push_back(std::move(one));
  }
  return array;
}

Json ExpertsJson(const ExpertShares& experts) {
  Json json = EstimateJson("mean", experts.all);
  for (const ExpertShares::OfLayer& layer : experts.layers) {
    Json one = {{"layer", layer.layer}};
    one.update(EstimateJson("mean", layer.changed));
    json["layers"].push_back(std::move(one));
  }
  return json;
}

Json BranchJson(const Branch& branch) {
  Json json = Json::object();
  if (branch.token) json["token"] = *branch.token;
  json["text"] = branch.text;
  Set(json, "baseline_probability", branch.baseline_probability);
  Set(json, "lane_probability", branch.lane_probability);
  return json;
}

// Where the answers leave the baseline's.
Json ForksJson(const ReportData& report, const SuiteResult& suite) {
  Json forks = Json::array();
  for (const AnswerResult& answer : suite.answers) {
    if (!answer.fork) continue;
    Json one = {{"prompt", report.prompts[suite.suite][answer.answer.prompt].id},
                {"position", answer.fork->position},
                {"baseline", BranchJson(answer.fork->baseline)},
                {"lane", BranchJson(answer.fork->lane)}};
    if (const std::optional<bool> near = answer.fork->NearTie()) one["near_tie"] = *near;
    forks.push_back(std::move(one));
  }
  return forks;
}

Json TextJson(const ReportData& report, const TextResult& text) {
  const ProtocolRecord& protocol = report.manifest.protocols[text.protocol];
  Json json = {{"id", protocol.id},
               {"text", protocol.text},
               {"text_hash", protocol.text_hash},
               {"aggregation", protocol.aggregation},
               {"unit", text.per_word ? "word" : "token"},
               {"cluster_kind", protocol.cluster_kind},
               {"complete", text.complete},
               {"tokens_hash", text.tokens_hash},
               {"sequences", text.num_sequences},
               {"tokens", text.num_tokens},
               {"predictions", text.num_predictions}};
  if (!protocol.warnings.empty()) json["warnings"] = protocol.warnings;
  Set(json, "nll", text.nll);
  Set(json, "perplexity", text.perplexity);
  if (text.perplexity_interval) {
    Set(json, "perplexity_low", text.perplexity_interval->low);
    Set(json, "perplexity_high", text.perplexity_interval->high);
  }
  Set(json, "byte_perplexity", text.byte_perplexity);
  Set(json, "bits_per_byte", text.bits_per_byte);
  if (text.mean_entropy) json["entropy"] = {{"mean", *text.mean_entropy}};
  if (text.change_percent) {
    Set(json, "perplexity_change_percent", text.change_percent->value);
    if (text.change_percent->interval) {
      Set(json, "perplexity_change_percent_low", text.change_percent->interval->low);
      Set(json, "perplexity_change_percent_high", text.change_percent->interval->high);
    }
  }
  if (text.delta_nll) json["delta_nll"] = EstimateJson("mean", *text.delta_nll);
  if (text.delta_nll_check) {
    json["delta_nll_bootstrap_t"] = {{"low", text.delta_nll_check->low},
                                     {"high", text.delta_nll_check->high}};
  }
  if (text.kl) json["kl"] = DivergenceJson(*text.kl);
  if (text.kl_reverse) json["kl_reverse"] = EstimateJson("mean", *text.kl_reverse);
  if (text.top1_agreement) {
    Set(json, "top1_agreement", text.top1_agreement->value);
    if (text.top1_agreement->interval) {
      Set(json, "top1_agreement_low", text.top1_agreement->interval->low);
      Set(json, "top1_agreement_high", text.top1_agreement->interval->high);
    }
  }
  if (text.experts) json["experts_changed"] = ExpertsJson(*text.experts);
  if (text.floor) {
    json["noise_floor"] = {{"control", report.lanes[text.floor->lane].record.scheme},
                           {"kl", text.floor->kl},
                           {"top1_agreement", text.floor->top1_agreement}};
  }
  if (text.label) json["label"] = Name(*text.label);
  if (!text.clusters.empty()) json["clusters"] = ClustersJson(text);
  if (!text.bands.by_position.empty()) json["kl_by_position"] = BandsJson(text.bands.by_position);
  if (!text.bands.by_confidence.empty()) {
    json["kl_by_confidence"] = BandsJson(text.bands.by_confidence);
  }
  return json;
}

void SetCounts(Json& json, const PromptCounts& counts, bool baseline, Timings timings) {
  json["prompts"] = counts.num_prompts;
  json["completed"] = counts.num_completed;
  json["checked"] = counts.num_checked;
  if (counts.num_checked > 0) {
    json["passed"] = counts.num_passed;
    json["undecided"] = counts.num_undecided;
  }
  if (!baseline) {
    if (counts.num_checked > 0) {
      json["regressions"] = counts.num_regressions;
      json["recoveries"] = counts.num_recoveries;
      json["compared"] = counts.num_compared;
      json["baseline_passed"] = counts.num_baseline_passed;
      if (!counts.CanShowRegressions()) json["can_show_regressions"] = false;
    }
    json["identical"] = counts.num_identical;
  }
  if (timings == Timings::kInclude) Set(json, "mean_seconds", counts.mean_seconds);
  if (counts.answer_kl) json["answer_kl"] = EstimateJson("mean", *counts.answer_kl);
  if (counts.answer_top1_agreement) {
    Set(json, "answer_top1_agreement", counts.answer_top1_agreement->value);
    if (counts.answer_top1_agreement->interval) {
      Set(json, "answer_top1_agreement_low", counts.answer_top1_agreement->interval->low);
      Set(json, "answer_top1_agreement_high", counts.answer_top1_agreement->interval->high);
    }
  }
}

Json BehaviourJson(const Behaviour& behaviour, bool checked) {
  Json json = {{"compared", behaviour.num_compared}};
  if (checked) json["wrong_to_wrong"] = behaviour.num_wrong_to_wrong;
  json["chrf2"] = EstimateJson("mean", behaviour.chrf2);
  json["edit_distance"] = EstimateJson("mean", behaviour.edit_distance);
  for (const SurvivalPoint& point : behaviour.survival) {
    Json one = {{"tokens", point.tokens}, {"share", point.share}};
    if (point.interval) {
      one["low"] = point.interval->low;
      one["high"] = point.interval->high;
    }
    json["same_beginning"].push_back(std::move(one));
  }
  const auto set_token = [&](const char* key, const std::optional<uint64_t>& token) {
    if (token) json[key] = *token;
  };
  set_token("median_divergence", behaviour.median_divergence);
  set_token("median_divergence_low", behaviour.median_divergence_low);
  set_token("median_divergence_high", behaviour.median_divergence_high);
  return json;
}

Json SamplesJson(const SampleResult& samples) {
  Json json = {{"per_prompt", samples.num_per_prompt},
               {"prompts", samples.num_prompts},
               {"varying_prompts", samples.num_varying}};
  const auto set = [&](const char* name, const std::optional<Estimate>& estimate) {
    if (estimate) json[name] = EstimateJson("mean", *estimate);
  };
  set("self_identical", samples.self_identical);
  set("self_chrf2", samples.self_chrf2);
  set("identical", samples.identical);
  set("chrf2", samples.chrf2);
  set("identical_place", samples.identical_place);
  set("chrf2_place", samples.chrf2_place);
  set("pass_change", samples.pass_change);
  Set(json, "pass_change_p", samples.pass_p);
  return json;
}

Json SignalsJson(const std::vector<Signal>& signals) {
  Json json = Json::array();
  for (const Signal& signal : signals) {
    Json one = {{"id", signal.id}, {"prompts", signal.num_prompts}};
    if (signal.mean) one["level"] = EstimateJson("mean", *signal.mean);
    if (signal.change) one["change"] = EstimateJson("mean", *signal.change);
    json.push_back(std::move(one));
  }
  return json;
}

Json FailuresJson(const std::vector<FailureCount>& failures) {
  Json json = Json::array();
  for (const FailureCount& failure : failures) {
    Json one = {{"id", failure.id},
                {"answers", failure.num_answers},
                {"compared", failure.num_compared},
                {"share_low", failure.share_interval.low},
                {"share_high", failure.share_interval.high}};
    if (failure.change) {
      one["new"] = failure.num_new;
      one["change"] = *failure.change;
      one["change_low"] = failure.change_interval->low;
      one["change_high"] = failure.change_interval->high;
    }
    json.push_back(std::move(one));
  }
  return json;
}

// How the share of prompts passed, or of items right, changed.
Json ShareChangeJson(const PairedTable& table) {
  const Interval interval = TangoInterval(table);
  const McNemarTest test = TestMcNemar(table);
  return {{"value", NetChange(table)},
          {"low", interval.low},
          {"high", interval.high},
          {"p", test.exact},
          {"mid_p", test.mid_p}};
}

Json EvidenceJson(const CategoryEvidence& evidence) {
  return {{"p", evidence.p},
          {"p_adjusted", evidence.p_adjusted},
          {"regression_rate", evidence.regression_rate},
          {"regression_rate_low", evidence.regression_interval.low},
          {"regression_rate_high", evidence.regression_interval.high}};
}

Json PromptIds(const ReportData& report, const SuiteResult& suite, Outcome outcome) {
  Json ids = Json::array();
  for (const AnswerResult& answer : suite.answers) {
    if (answer.outcome != outcome) continue;
    ids.push_back(report.prompts[suite.suite][answer.answer.prompt].id);
  }
  return ids;
}

Json SuiteJson(const ReportData& report, const SuiteResult& suite, bool baseline, Timings timings) {
  const SuiteRecord& record = report.manifest.suites[suite.suite];
  Json json = {{"id", record.id}, {"hash", record.hash}, {"complete", suite.complete}};
  SetCounts(json, suite.counts, baseline, timings);
  if (!baseline && suite.counts.num_checked > 0) {
    json["regressed_prompts"] = PromptIds(report, suite, Outcome::kRegression);
    json["recovered_prompts"] = PromptIds(report, suite, Outcome::kRecovery);
    if (suite.counts.num_compared > 0) {
      json["pass_change"] = ShareChangeJson(suite.counts.Outcomes());
    }
  }
  if (!baseline) json["forks"] = ForksJson(report, suite);
  if (suite.behaviour) {
    json["behaviour"] = BehaviourJson(*suite.behaviour, suite.counts.num_compared > 0);
  }
  if (suite.samples) json["samples"] = SamplesJson(*suite.samples);
  json["failures"] = FailuresJson(suite.failures);
  json["signals"] = SignalsJson(suite.signals);
  if (suite.floor) {
    json["noise_floor"] = {{"control", report.lanes[suite.floor->lane].record.scheme},
                           {"regressions", suite.floor->num_regressions},
                           {"recoveries", suite.floor->num_recoveries},
                           {"identical", suite.floor->num_identical}};
    Set(json["noise_floor"], "answer_kl", suite.floor->answer_kl);
  }
  if (suite.label) json["label"] = Name(*suite.label);
  json["categories"] = Json::array();
  for (const CategoryResult& category : suite.categories) {
    Json one = {{"name", category.name}};
    SetCounts(one, category.counts, baseline, timings);
    if (category.evidence) one["exploratory"] = EvidenceJson(*category.evidence);
    json["categories"].push_back(std::move(one));
  }
  return json;
}

Json DecisionJson(const TaskResult& task, const TaskDecision& decision) {
  Json json = {
      {"measure", decision.measure},
      {"right", decision.num_right},
      {"accuracy", static_cast<double>(decision.num_right) / static_cast<double>(task.num_items)},
      {"accuracy_low", decision.share_interval.low},
      {"accuracy_high", decision.share_interval.high},
      {"margin", EstimateJson("mean", decision.margin)}};
  if (!decision.margin_change) return json;
  json["lost"] = decision.outcomes.base_only;
  json["regained"] = decision.outcomes.lane_only;
  json["compared"] = decision.outcomes.Total();
  json["accuracy_change"] = ShareChangeJson(decision.outcomes);
  json["margin_change"] = EstimateJson("mean", *decision.margin_change);
  Set(json, "smallest_accuracy_change", decision.smallest_change);
  Set(json, "smallest_margin_change", decision.smallest_margin_change);
  return json;
}

Json ItemIds(const ReportData& report, size_t task, std::span<const size_t> items) {
  Json ids = Json::array();
  for (const size_t item : items) ids.push_back(report.items[task][item].id);
  return ids;
}

Json TaskJson(const ReportData& report, const TaskResult& task, bool baseline, Timings timings) {
  const TaskRecord& record = report.manifest.tasks[task.task];
  Json json = {
      {"id", record.id},      {"hash", record.hash},       {"tokens_hash", record.tokens_hash},
      {"kind", record.kind},  {"complete", task.complete}, {"items", task.num_items},
      {"chance", task.chance}};
  if (!record.few_shot_hash.empty()) json["few_shot_hash"] = record.few_shot_hash;
  if (record.chat) json["chat"] = true;
  if (!record.warnings.empty()) json["warnings"] = record.warnings;
  Set(json, "perplexity", task.perplexity);
  json["decisions"] = Json::array();
  for (const TaskDecision& decision : task.decisions) {
    json["decisions"].push_back(DecisionJson(task, decision));
  }
  if (!baseline) {
    json["lost_items"] = ItemIds(report, task.task, task.lost);
    json["regained_items"] = ItemIds(report, task.task, task.regained);
  }
  if (timings == Timings::kInclude) Set(json, "items_per_second", task.items_per_second);
  return json;
}

// Bits per weight of the parts of a lane that are called "experts", and of all others; nothing
// where there is none.
void SetBitsBesideExperts(const LaneRecord& record, Json& size) {
  const Json coverage = Json::parse(record.coverage, nullptr, false);
  if (!coverage.is_object() || !coverage.contains("parts")) return;
  std::array<double, 2> bits = {}, weights = {};  // of the others, of experts
  for (const Json& part : coverage["parts"]) {
    if (!part.is_object()) return;
    const size_t of = part.value("tensors", "") == "experts" ? 1 : 0;
    bits[of] += 8.0 * part.value("bytes", 0.0);
    weights[of] += part.value("weights", 0.0);
  }
  if (weights[0] == 0.0 || weights[1] == 0.0) return;
  size["bits_per_weight_without_experts"] = bits[0] / weights[0];
  size["bits_per_weight_of_experts"] = bits[1] / weights[1];
}

Json LaneJson(const ReportData& report, const LaneResult& lane, Timings timings) {
  const LaneRecord& record = lane.record;
  Json json = {
      {"scheme", record.scheme}, {"baseline", record.baseline}, {"definition", record.definition}};
  json["identity"] = Json::parse(record.identity);
  if (!record.not_run.empty()) json["not_run"] = record.not_run;
  if (record.control) json["control"] = true;
  if (lane.error) json["error"] = *lane.error;
  json["size"] = Json::object();
  if (record.weight_bytes > 0) json["size"]["weight_bytes"] = record.weight_bytes;
  if (record.bits_per_weight > 0) json["size"]["bits_per_weight"] = record.bits_per_weight;
  Set(json["size"], "quantized_bits_per_weight", record.quantized_bits_per_weight);
  SetBitsBesideExperts(record, json["size"]);
  if (const std::optional<CacheSize> cache = CacheSizeOf(record)) {
    json["size"]["cache_bytes_per_token"] = cache->bytes_per_token;
  }
  if (record.group_size) json["group_size"] = *record.group_size;
  if (!record.notes.empty()) json["notes"] = record.notes;
  json["coverage"] = Json::parse(record.coverage);
  json["calibration"] = Json::parse(record.calibration);
  json["protocols"] = Json::array();
  for (const TextResult& text : lane.texts) json["protocols"].push_back(TextJson(report, text));
  json["suites"] = Json::array();
  for (const SuiteResult& suite : lane.suites) {
    json["suites"].push_back(SuiteJson(report, suite, record.baseline, timings));
  }
  for (const TaskResult& task : lane.tasks) {
    json["tasks"].push_back(TaskJson(report, task, record.baseline, timings));
  }
  for (const Finding& finding : lane.findings) {
    json["verdicts"].push_back(FindingJson(report, finding));
  }
  if (timings == Timings::kOmit) return json;
  Json speed = Json::object();
  Set(speed, "prefill_tokens_per_second", lane.prefill_tokens_per_second);
  Set(speed, "decode_tokens_per_second", lane.decode_tokens_per_second);
  Set(speed, "quantize_seconds", lane.quantize_seconds);
  if (!speed.empty()) json["speed"] = std::move(speed);
  if (lane.peak_memory_bytes) json["peak_memory_bytes"] = *lane.peak_memory_bytes;
  return json;
}

Json RankingJson(const ReportData& report, const Ranking& ranking) {
  const auto name = [&](size_t lane) { return report.lanes[lane].record.scheme; };
  Json json = {{"measure", KlMeasure(report)},
               {"confidence", ranking.confidence},
               {"lanes", Json::array()},
               {"pairs", Json::array()}};
  for (const RankedLane& lane : ranking.lanes) {
    json["lanes"].push_back({{"scheme", name(lane.lane)},
                             {"first_place", lane.first_place},
                             {"last_place", lane.last_place},
                             {"groups", lane.groups}});
  }
  for (const LanePair& pair : ranking.pairs) {
    Json one = pair.difference ? EstimateJson("difference", *pair.difference) : Json::object();
    one["a"] = name(pair.a);
    one["b"] = name(pair.b);
    if (pair.closer) one["closer"] = name(*pair.closer);
    json["pairs"].push_back(std::move(one));
  }
  return json;
}

}  // namespace

std::string WriteJson(const ReportData& report, Timings timings) {
  const Manifest& manifest = report.manifest;
  Json json = {{"schema", "bitloss.report/1"},
               {"bitloss_version", manifest.bitloss_version},
               {"complete", report.complete},
               {"model",
                {{"name", manifest.model.name},
                 {"architecture", manifest.model.architecture},
                 {"parameters", manifest.model.num_parameters},
                 {"identity", manifest.model.identity},
                 {"tokenizer_identity", manifest.tokenizer_identity}}},
               {"seed", manifest.seed},
               {"options", Json::parse(manifest.options)}};
  if (manifest.numeric_version > 0) json["numeric_version"] = manifest.numeric_version;
  if (!manifest.model.stored_types.empty()) {
    json["model"]["stored"] = {{"types", manifest.model.stored_types},
                               {"bytes", manifest.model.stored_bytes}};
  }
  if (report.confirmatory.num_tests > 0) {
    json["confirmatory"] = {{"tests", report.confirmatory.num_tests},
                            {"alpha", report.confirmatory.alpha},
                            {"confidence", report.confirmatory.confidence}};
  }
  json["lanes"] = Json::array();
  for (const LaneResult& lane : report.lanes) {
    json["lanes"].push_back(LaneJson(report, lane, timings));
  }
  for (const LaneSummary& summary : Summarize(report)) {
    json["lanes"][summary.lane]["summary"] = {
        {"verdict", summary.verdict}, {"grounds", summary.grounds}, {"sentence", summary.sentence}};
  }
  if (const Ranking ranking = RankLanes(report); !ranking.lanes.empty()) {
    json["ranking"] = RankingJson(report, ranking);
  }
  if (timings == Timings::kInclude && !report.machine.empty()) {
    for (const MachineNote& note : report.machine) json["machine"][note.key] = note.value;
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace bitloss

// The result file of the scripts that bitloss replaces, key for key.
#include <cmath>
#include <nlohmann/json.hpp>

#include "bitloss/base/check.h"
#include "bitloss/base/sum.h"
#include "bitloss/report/tables.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kBytesPerSeedMegabyte = 1024 * 1024;  // the scripts divide by 1024 twice

// The perplexity that the file states: the scripts' own protocol if it was measured.
const TextResult* SeedText(const ReportData& report, const LaneResult& lane) {
  for (const TextResult& text : lane.texts) {
    if (report.manifest.protocols[text.protocol].id == "lines-512-seed") return &text;
  }
  return lane.texts.empty() ? nullptr : &lane.texts[0];
}

std::string MachineNoteOr(const ReportData& report, const char* key, const char* otherwise) {
  for (const MachineNote& note : report.machine) {
    if (note.key == key) return note.value;
  }
  return otherwise;
}

// As the scripts count: a success is an answer without an error, and means are over successes.
struct SeedCounts {
  uint64_t total = 0;
  uint64_t success = 0;
  Sum seconds;
  uint64_t num_timed = 0;
  Sum kl;
  uint64_t num_kl = 0;

  void Add(const AnswerResult& answer) {
    total += 1;
    if (!answer.completed()) return;
    success += 1;
    if (answer.seconds) {
      seconds.Add(*answer.seconds);
      ++num_timed;
    }
    if (answer.mean_kl) {
      kl.Add(*answer.mean_kl);
      ++num_kl;
    }
  }
  double success_rate() const {
    return total == 0 ? 0.0 : static_cast<double>(success) / static_cast<double>(total);
  }
};

void SetMean(Json& json, const char* key, const Sum& sum, uint64_t count) {
  if (count > 0) json[key] = sum.Total() / static_cast<double>(count);
}

Json MetricsJson(const ReportData& report, const LaneResult& lane, Timings timings) {
  Json metrics = Json::object();
  const TextResult* text = SeedText(report, lane);
  if (text != nullptr && std::isfinite(text->perplexity)) metrics["perplexity"] = text->perplexity;
  if (lane.suites.empty()) return metrics;

  const SuiteResult& suite = lane.suites[0];
  SeedCounts all;
  for (const AnswerResult& answer : suite.answers) all.Add(answer);
  metrics["num_prompts"] = all.total;
  metrics["successful_generations"] = all.success;
  metrics["success_rate"] = all.success_rate();
  if (timings == Timings::kInclude) {
    SetMean(metrics, "avg_generation_time", all.seconds, all.num_timed);
  }
  SetMean(metrics, "avg_kl_divergence", all.kl, all.num_kl);
  Json categories = Json::object();
  for (const CategoryResult& category : suite.categories) {
    SeedCounts counts;
    for (const AnswerResult& answer : suite.answers) {
      if (report.prompts[suite.suite][answer.answer.prompt].category == category.name) {
        counts.Add(answer);
      }
    }
    Json one = {{"total", counts.total},
                {"success", counts.success},
                {"success_rate", counts.success_rate()}};
    if (timings == Timings::kInclude) SetMean(one, "avg_time", counts.seconds, counts.num_timed);
    SetMean(one, "avg_kl", counts.kl, counts.num_kl);
    categories[category.name] = std::move(one);
  }
  metrics["category_stats"] = std::move(categories);
  return metrics;
}

Json LogitsJson(const Answer& answer) {
  Json logits = Json::array();
  for (size_t position = 0; position < answer.top_logits.size(); ++position) {
    const TopLogits& top = answer.top_logits[position];
    logits.push_back({{"token_position", position},
                      {"top_50_logits", top.logits},
                      {"top_50_token_ids", top.ids}});
  }
  return logits;
}

Json PromptResultJson(const PromptRecord& prompt, const AnswerResult& result, Timings timings) {
  Json json = {{"prompt_id", prompt.prompt},
               {"category", prompt.category},
               {"prompt", prompt.text},
               {"response", result.completed() ? Json(result.answer.text) : Json(nullptr)}};
  if (timings == Timings::kInclude && result.seconds) json["generation_time"] = *result.seconds;
  json["logits"] = LogitsJson(result.answer);
  json["success"] = result.completed();
  if (!result.completed()) json["error"] = result.answer.error;
  if (result.mean_kl) json["kl_divergence"] = *result.mean_kl;
  return json;
}

}  // namespace

std::string WriteSeed(const ReportData& report, size_t lane_index, Timings timings) {
  BITLOSS_CHECK(lane_index < report.lanes.size());
  const LaneResult& lane = report.lanes[lane_index];
  Json json = {
      {"model_name", report.manifest.model.name},
      {"model_type", lane.record.baseline ? "baseline_fp16" : lane.record.scheme + "_quantized"},
      {"dtype", "torch.float16"},
      {"device", MachineNoteOr(report, "device", "cpu")}};
  if (timings == Timings::kInclude) json["timestamp"] = MachineNoteOr(report, "timestamp", "");
  const TextResult* text = SeedText(report, lane);
  const TextResult* baseline = text ? FindText(report.lanes[0], text->protocol) : nullptr;
  if (!lane.record.baseline) {
    if (lane.record.weight_bytes > 0) {
      json["model_size_mb"] = static_cast<double>(lane.record.weight_bytes) / kBytesPerSeedMegabyte;
    }
    if (baseline != nullptr && text->change_percent) {
      json["baseline_comparison"] = {{"baseline_ppl", baseline->perplexity},
                                     {"quantized_ppl", text->perplexity},
                                     {"ppl_degradation_percent", text->change_percent->value}};
    }
  }
  json["metrics"] = MetricsJson(report, lane, timings);
  json["prompt_results"] = Json::array();
  if (!lane.suites.empty()) {
    const SuiteResult& suite = lane.suites[0];
    for (const AnswerResult& answer : suite.answers) {
      json["prompt_results"].push_back(
          PromptResultJson(report.prompts[suite.suite][answer.answer.prompt], answer, timings));
    }
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace bitloss

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "bitloss/base/sum.h"
#include "bitloss/report/behaviour.h"
#include "bitloss/report/expert_shares.h"
#include "bitloss/report/failures.h"
#include "bitloss/report/report_data.h"
#include "bitloss/report/samples.h"
#include "bitloss/report/signals.h"
#include "bitloss/report/stored_scores.h"
#include "bitloss/report/suite_results.h"
#include "bitloss/report/tables.h"
#include "bitloss/report/task_results.h"
#include "bitloss/report/text_results.h"
#include "bitloss/report/verdicts.h"

namespace bitloss {
namespace {

// Whether a lane is the model in another plain type of number, which may hold it exactly.
bool IsCast(const LaneRecord& lane) {
  return lane.definition == "f16" || lane.definition == "bf16" || lane.definition == "f32" ||
         lane.definition == "f32+head=f32";
}

// How often the lanes were found different from the baseline, and how often they were compared.
struct Guard {
  uint64_t num_compared = 0;
  uint64_t num_different = 0;
  uint64_t num_infinite_losses = 0;

  void Look(const TokenScores& scores) {
    num_compared += scores.kl.size();
    for (const double kl : scores.kl) num_different += kl != 0.0 ? 1 : 0;
    for (const double nll : scores.nll) num_infinite_losses += std::isfinite(nll) ? 0 : 1;
  }
  // What a lane finds of items, and the baseline of the same or of none.
  void Look(std::span<const TaskScores> lane, std::span<const TaskScores> baseline) {
    for (size_t i = 0; i < lane.size(); ++i) {
      for (const double ll : lane[i].log_likelihoods) {
        num_infinite_losses += std::isfinite(ll) ? 0 : 1;
      }
      if (i >= baseline.size() || baseline[i].item != lane[i].item) continue;
      ++num_compared;
      num_different += baseline[i].log_likelihoods != lane[i].log_likelihoods ? 1 : 0;
    }
  }
  std::optional<std::string> Judge(const LaneRecord& lane) const {
    if (num_infinite_losses > 0) {
      return fmt::format("{} scored tokens have a loss that is not finite", num_infinite_losses);
    }
    const bool may_be_equal = lane.baseline || lane.control || IsCast(lane);
    if (!may_be_equal && num_compared > 0 && num_different == 0) {
      return fmt::format(
          "quantization did not engage: all {} divergences from the baseline are exactly zero",
          num_compared);
    }
    return std::nullopt;
  }
};

Status AddTexts(const Store& store, size_t protocol, std::vector<Guard>& guards,
                ThreadPool& threads, ReportData& report) {
  BITLOSS_TRY(const ProtocolScores scores, ReadProtocolScores(store, protocol));
  for (size_t i = 0; i < report.lanes.size(); ++i) {
    LaneResult& lane = report.lanes[i];
    LaneUnits units;
    if (lane.record.lane != 0) {
      BITLOSS_TRY(units, ReadLaneUnits(store, lane.record.lane, scores));
    }
    const LaneUnits& ours = lane.record.lane == 0 ? scores.baseline : units;
    for (const auto& unit : ours) {
      if (unit) guards[i].Look(*unit);
    }
    std::optional<TextResult> result = MeasureText(scores, ours, threads);
    if (result && lane.record.lane != 0) {
      BITLOSS_TRY(const auto experts, store.ExpertChangesOf(lane.record.lane, protocol));
      result->experts = MeasureExperts(scores, ours, experts, threads);
    }
    report.complete = report.complete && result && result->complete;
    if (!result) continue;
    const TextResult* baseline = FindText(report.lanes[0], protocol);
    const Status consistent = CheckConsistent(baseline != nullptr ? *baseline : *result, *result);
    if (!consistent.ok()) {
      return Within(fmt::format("'{}': protocol '{}', lane '{}'", store.folder().string(),
                                report.manifest.protocols[protocol].id, lane.record.scheme),
                    consistent.error());
    }
    lane.texts.push_back(*result);
  }
  return Ok();
}

// Seconds of the answers of one lane and suite, by prompt.
std::map<size_t, double> AnswerSeconds(std::span<const Timing> timings, size_t lane, size_t suite) {
  const std::string prefix = fmt::format("{}/", suite);
  std::map<size_t, double> seconds;
  for (const Timing& timing : timings) {
    if (timing.lane != lane || timing.kind != TimingKind::kAnswer) continue;
    if (!timing.key.starts_with(prefix)) continue;
    size_t prompt = 0;
    const char* end = timing.key.data() + timing.key.size();
    const auto parsed = std::from_chars(timing.key.data() + prefix.size(), end, prompt);
    if (parsed.ec == std::errc() && parsed.ptr == end) seconds[prompt] = timing.seconds;
  }
  return seconds;
}

Result<LaneAnswers> ReadAnswers(const Store& store, size_t lane, size_t suite,
                                std::span<const Timing> timings) {
  LaneAnswers answers;
  BITLOSS_TRY(answers.answers, store.Answers(lane, suite));
  BITLOSS_TRY(answers.scores, store.AllAnswerScores(lane, suite));
  BITLOSS_TRY(answers.forks, store.AnswerForks(lane, suite));
  BITLOSS_TRY(answers.judgements, store.AnswerJudgements(lane, suite));
  answers.seconds = AnswerSeconds(timings, lane, suite);
  return answers;
}

Status AddSuites(const Store& store, size_t suite, std::span<const Timing> timings,
                 std::vector<Guard>& guards, ThreadPool& threads, ReportData& report) {
  BITLOSS_TRY(const LaneAnswers baseline, ReadAnswers(store, 0, suite, timings));
  for (size_t i = 0; i < report.lanes.size(); ++i) {
    LaneResult& lane = report.lanes[i];
    LaneAnswers answers;
    if (lane.record.lane != 0) {
      BITLOSS_TRY(answers, ReadAnswers(store, lane.record.lane, suite, timings));
    }
    const LaneAnswers& ours = lane.record.lane == 0 ? baseline : answers;
    for (const AnswerScores& scores : ours.scores) guards[i].Look(scores.scores);
    std::optional<SuiteResult> result =
        MeasureSuite(suite, report.prompts[suite], baseline, ours, threads);
    report.complete = report.complete && result && result->complete;
    if (result) lane.suites.push_back(std::move(*result));
  }
  return Ok();
}

// How many answers every lane was asked to sample to each prompt.
size_t SamplesAsked(const Manifest& manifest) {
  const auto options = nlohmann::json::parse(manifest.options, nullptr, false);
  const nlohmann::json::json_pointer count("/samples/count");
  if (!options.is_object() || !options.contains(count)) return 0;
  return options[count].is_number_unsigned() ? options[count].get<size_t>() : 0;
}

Status AddSamples(const Store& store, size_t suite, ThreadPool& threads, ReportData& report) {
  const size_t num_asked = SamplesAsked(report.manifest) * report.prompts[suite].size();
  if (num_asked == 0) return Ok();
  BITLOSS_TRY(const LaneSamples baseline, store.SampledAnswers(0, suite));
  for (LaneResult& lane : report.lanes) {
    LaneSamples samples;
    if (!lane.record.baseline) {
      BITLOSS_TRY(samples, store.SampledAnswers(lane.record.lane, suite));
    }
    const LaneSamples& ours = lane.record.baseline ? baseline : samples;
    report.complete = report.complete && ours.size() == num_asked;
    const auto result = std::ranges::find(lane.suites, suite, &SuiteResult::suite);
    if (result != lane.suites.end()) result->samples = MeasureSamples(baseline, ours, threads);
  }
  return Ok();
}

Status AddTasks(const Store& store, size_t task, std::vector<Guard>& guards, ThreadPool& threads,
                ReportData& report) {
  const ScoredTask scored{report.manifest.tasks[task], task, report.items[task]};
  BITLOSS_TRY(const std::vector<TaskScores> baseline, store.AllTaskScores(0, task));
  for (size_t i = 0; i < report.lanes.size(); ++i) {
    LaneResult& lane = report.lanes[i];
    std::vector<TaskScores> scores;
    if (!lane.record.baseline) {
      BITLOSS_TRY(scores, store.AllTaskScores(lane.record.lane, task));
    }
    const std::vector<TaskScores>& ours = lane.record.baseline ? baseline : scores;
    guards[i].Look(ours, baseline);
    std::optional<TaskResult> result = MeasureTask(scored, baseline, ours, threads);
    report.complete = report.complete && result && result->complete;
    if (result) lane.tasks.push_back(std::move(*result));
  }
  return Ok();
}

std::optional<double> TokensPerSecond(std::span<const Timing> timings, size_t lane,
                                      TimingKind kind) {
  Sum seconds;
  uint64_t num_tokens = 0;
  for (const Timing& timing : timings) {
    if (timing.lane != lane || timing.kind != kind) continue;
    seconds.Add(timing.seconds);
    num_tokens += timing.num_tokens;
  }
  if (num_tokens == 0 || !(seconds.Total() > 0)) return std::nullopt;
  return static_cast<double>(num_tokens) / seconds.Total();
}

Status AddSpeed(const Store& store, std::span<const Timing> timings, LaneResult& lane) {
  const size_t index = lane.record.lane;
  lane.prefill_tokens_per_second = TokensPerSecond(timings, index, TimingKind::kPrefill);
  lane.decode_tokens_per_second = TokensPerSecond(timings, index, TimingKind::kDecode);
  Sum quantize;
  for (const Timing& timing : timings) {
    if (timing.lane != index || timing.kind != TimingKind::kQuantize) continue;
    quantize.Add(timing.seconds);
    lane.quantize_seconds = quantize.Total();
  }
  BITLOSS_TRY(lane.peak_memory_bytes, store.PeakMemory(index));
  return Ok();
}

}  // namespace

bool ReportData::HasErrors() const {
  return std::ranges::any_of(lanes, [](const LaneResult& lane) { return lane.error.has_value(); });
}

Result<ReportData> MakeReport(const Store& store, ThreadPool& threads) {
  ReportData report;
  report.manifest = store.manifest();
  report.complete = true;
  BITLOSS_TRY(const std::vector<LaneRecord> lanes, store.Lanes());
  if (lanes.empty() || !lanes[0].baseline) {
    return BadInput("study '{}' holds no baseline lane; run it again", store.folder().string());
  }
  for (const LaneRecord& lane : lanes) report.lanes.emplace_back().record = lane;
  for (size_t suite = 0; suite < report.manifest.suites.size(); ++suite) {
    BITLOSS_TRY(std::vector<PromptRecord> prompts, store.Prompts(suite));
    report.prompts.push_back(std::move(prompts));
  }
  for (size_t task = 0; task < report.manifest.tasks.size(); ++task) {
    BITLOSS_TRY(std::vector<TaskItemRecord> items, store.TaskItems(task));
    report.items.push_back(std::move(items));
  }
  BITLOSS_TRY(report.machine, store.MachineNotes());

  BITLOSS_TRY(const std::vector<Timing> timings, store.Timings());
  std::vector<Guard> guards(lanes.size());
  for (size_t protocol = 0; protocol < report.manifest.protocols.size(); ++protocol) {
    BITLOSS_DO(AddTexts(store, protocol, guards, threads, report));
  }
  for (size_t suite = 0; suite < report.manifest.suites.size(); ++suite) {
    BITLOSS_DO(AddSuites(store, suite, timings, guards, threads, report));
    BITLOSS_DO(AddSamples(store, suite, threads, report));
  }
  for (size_t task = 0; task < report.manifest.tasks.size(); ++task) {
    BITLOSS_DO(AddTasks(store, task, guards, threads, report));
    AddTaskSpeeds(timings, task, report);
  }
  for (size_t i = 0; i < lanes.size(); ++i) {
    BITLOSS_DO(AddSpeed(store, timings, report.lanes[i]));
    report.lanes[i].error = guards[i].Judge(lanes[i]);
  }
  AddBehaviour(report, threads);
  AddFailures(report);
  AddSignals(report, threads);
  AddCategoryEvidence(report);
  AddNoiseFloors(report);
  AddFindings(report, threads);
  return report;
}

}  // namespace bitloss

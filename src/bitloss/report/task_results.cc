#include "bitloss/report/task_results.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "bitloss/base/sum.h"
#include "bitloss/stats/clustered_mean.h"
#include "bitloss/stats/power.h"
#include "bitloss/stats/proportion.h"

namespace bitloss {
namespace {

constexpr double kAlpha = 0.05;
constexpr std::array<std::string_view, 3> kMeasures = {"acc", "acc_norm", "acc_bytes"};

// The one that decides first.
std::vector<std::string> MeasuresOf(const TaskRecord& record) {
  if (record.kind == "cloze") return {"acc"};
  std::vector<std::string> measures = {record.measure};
  for (const std::string_view measure : kMeasures) {
    if (measure != record.measure) measures.emplace_back(measure);
  }
  return measures;
}

// An item in one lane by one measure.
struct Decided {
  bool right = false;
  double margin = 0.0;
};

double ScoreOf(const TaskItemRecord& item, const TaskScores& scores, const std::string& measure,
               size_t choice) {
  const double log_likelihood = scores.log_likelihoods[choice];
  if (measure == "acc_norm") return log_likelihood / item.characters[choice];
  if (measure == "acc_bytes") return log_likelihood / item.bytes[choice];
  return log_likelihood;
}

Decided Decide(const TaskItemRecord& item, const TaskScores& scores, const std::string& measure) {
  if (item.characters.size() == 1) return {scores.greedy[0] != 0, scores.log_likelihoods[0]};
  std::optional<double> right, wrong;
  Decided decided;
  double best = 0;
  for (size_t i = 0; i < item.characters.size(); ++i) {
    const double score = ScoreOf(item, scores, measure, i);
    const bool is_right = std::ranges::count(item.answers, i) > 0;
    std::optional<double>& best_of_kind = is_right ? right : wrong;
    if (!best_of_kind || score > *best_of_kind) best_of_kind = score;
    if (i == 0 || score > best) {
      best = score;
      decided.right = is_right;
    }
  }
  decided.margin = right.value_or(0) - wrong.value_or(0);
  return decided;
}

// An item that a lane has scored, and perhaps the baseline.
struct ScoredItem {
  const TaskItemRecord* item;
  const TaskScores* lane;
  const TaskScores* baseline;  // null: it has not
};

std::vector<ScoredItem> Pair(const ScoredTask& task, std::span<const TaskScores> baseline,
                             std::span<const TaskScores> lane) {
  std::vector<ScoredItem> pairs;
  auto base = baseline.begin();
  for (const TaskScores& scores : lane) {
    if (scores.item >= task.items.size()) continue;
    const TaskItemRecord& item = task.items[scores.item];
    if (scores.log_likelihoods.size() != item.characters.size()) continue;
    while (base != baseline.end() && base->item < scores.item) ++base;
    const bool both = base != baseline.end() && base->item == scores.item &&
                      base->log_likelihoods.size() == item.characters.size();
    pairs.push_back({&item, &scores, both ? &*base : nullptr});
  }
  return pairs;
}

uint64_t& CellOf(PairedTable& table, bool baseline, bool lane) {
  if (baseline) return lane ? table.both : table.base_only;
  return lane ? table.lane_only : table.neither;
}

// Of the share's change: sqrt(b + c - (b - c)^2 / n) / n. None without a change.
std::optional<double> StandardErrorOf(const PairedTable& table) {
  const auto n = static_cast<double>(table.Total());
  const auto lost = static_cast<double>(table.base_only);
  const auto regained = static_cast<double>(table.lane_only);
  if (lost + regained == 0) return std::nullopt;
  return std::sqrt(lost + regained - (lost - regained) * (lost - regained) / n) / n;
}

void AddPower(TaskDecision& decision) {
  const auto degrees = static_cast<double>(decision.outcomes.Total()) - 1;
  if (degrees < 1) return;
  const std::optional<double> of_share = StandardErrorOf(decision.outcomes);
  if (of_share && *of_share > 0) {
    decision.smallest_change = SmallestResolvableMean(*of_share, degrees, kAlpha);
  }
  const std::optional<double>& of_margin = decision.margin_change->standard_error;
  if (of_margin && *of_margin > 0) {
    decision.smallest_margin_change = SmallestResolvableMean(*of_margin, degrees, kAlpha);
  }
}

// Lists what was lost and regained in `lists`, if there is one.
TaskDecision MeasureDecision(std::span<const ScoredItem> items, const std::string& measure,
                             ThreadPool& threads, TaskResult* lists) {
  TaskDecision decision;
  decision.measure = measure;
  std::vector<UnitSum> margins, changes;
  for (const ScoredItem& one : items) {
    const auto cluster = static_cast<uint32_t>(one.item->item);
    const Decided ours = Decide(*one.item, *one.lane, measure);
    decision.num_right += ours.right ? 1 : 0;
    margins.push_back({cluster, ours.margin, 1});
    if (one.baseline == nullptr) continue;
    const Decided base = Decide(*one.item, *one.baseline, measure);
    ++CellOf(decision.outcomes, base.right, ours.right);
    changes.push_back({cluster, ours.margin - base.margin, 1});
    if (lists == nullptr || base.right == ours.right) continue;
    (base.right ? lists->lost : lists->regained).push_back(one.item->item);
  }
  decision.share_interval = WilsonInterval(decision.num_right, items.size());
  decision.margin = ClusteredMean(margins, threads);
  if (changes.empty()) return decision;
  decision.margin_change = ClusteredMean(changes, threads);
  AddPower(decision);
  return decision;
}

double ChanceOf(std::span<const ScoredItem> items) {
  Sum chance;
  for (const ScoredItem& one : items) {
    if (one.item->characters.size() == 1) continue;
    chance.Add(static_cast<double>(one.item->answers.size()) /
               static_cast<double>(one.item->characters.size()));
  }
  return chance.Total() / static_cast<double>(items.size());
}

}  // namespace

std::optional<TaskResult> MeasureTask(const ScoredTask& task,
                                      const std::vector<TaskScores>& baseline,
                                      const std::vector<TaskScores>& lane, ThreadPool& threads) {
  const bool is_baseline = &baseline == &lane;
  const std::vector<ScoredItem> items =
      Pair(task, is_baseline ? std::span<const TaskScores>() : baseline, lane);
  if (items.empty()) return std::nullopt;
  TaskResult result;
  result.task = task.task;
  result.num_items = items.size();
  result.complete = items.size() == task.record.num_items;
  result.chance = ChanceOf(items);
  for (const std::string& measure : MeasuresOf(task.record)) {
    TaskResult* lists = result.decisions.empty() ? &result : nullptr;
    result.decisions.push_back(MeasureDecision(items, measure, threads, lists));
  }
  if (task.record.kind == "cloze") result.perplexity = std::exp(-result.decisions[0].margin.value);
  return result;
}

void AddTaskSpeeds(std::span<const Timing> timings, size_t task, ReportData& report) {
  const std::string prefix = fmt::format("{}/", task);
  for (LaneResult& lane : report.lanes) {
    Sum seconds;
    for (const Timing& timing : timings) {
      if (timing.lane != lane.record.lane || timing.kind != TimingKind::kTask) continue;
      if (timing.key.starts_with(prefix)) seconds.Add(timing.seconds);
    }
    const auto result = std::ranges::find(lane.tasks, task, &TaskResult::task);
    if (result == lane.tasks.end() || !(seconds.Total() > 0)) continue;
    result->items_per_second = static_cast<double>(result->num_items) / seconds.Total();
  }
}

}  // namespace bitloss

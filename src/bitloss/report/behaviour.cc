#include "bitloss/report/behaviour.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "bitloss/base/check.h"
#include "bitloss/metrics/similarity.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/suite_results.h"
#include "bitloss/stats/clustered_mean.h"
#include "bitloss/stats/multiplicity.h"
#include "bitloss/stats/paired_outcomes.h"
#include "bitloss/stats/pooling.h"
#include "bitloss/stats/survival.h"

namespace bitloss {
namespace {

// Tokens at which the survival of common beginnings is told.
constexpr uint64_t kSurvivalTokens[] = {8, 32, 64};

// Until the first differing token. Of answers that are the same throughout, those cut at the limit
// are censored there; those that both came to their end can no longer part, and stay at risk.
Lifetime CommonBeginning(const Answer& ours, const Answer& base) {
  const auto parts = FirstDivergence(ours.token_ids, base.token_ids);
  if (parts) return {static_cast<double>(*parts), Ending::kEvent};
  if (ours.finish == FinishReason::kEos && base.finish == FinishReason::kEos) {
    return {std::numeric_limits<double>::infinity(), Ending::kCensored};
  }
  return {static_cast<double>(ours.token_ids.size()), Ending::kCensored};
}

void AddSurvival(std::span<const Lifetime> lifetimes, Behaviour& behaviour) {
  const SurvivalCurve curve(lifetimes);
  for (const uint64_t tokens : kSurvivalTokens) {
    // The first `tokens` tokens agree if the first difference is at or beyond that index.
    const auto time = static_cast<double>(tokens - 1);
    behaviour.survival.push_back({tokens, curve.Survival(time), curve.SurvivalInterval(time)});
  }
  for (const SurvivalStep& step : curve.steps()) {
    // Those that part at index t share t tokens, not t + 1.
    behaviour.curve.push_back(
        {static_cast<uint64_t>(step.time) + 1, step.survival, curve.SurvivalInterval(step.time)});
  }
  const auto token = [](const std::optional<double>& time) {
    return time ? std::optional(static_cast<uint64_t>(*time)) : std::nullopt;
  };
  const MedianBounds bounds = curve.MedianInterval();
  behaviour.median_divergence = token(curve.Median());
  behaviour.median_divergence_low = token(bounds.low);
  behaviour.median_divergence_high = token(bounds.high);
}

Estimate TimesHundred(Estimate share) {
  share.value *= 100;
  if (share.standard_error) *share.standard_error *= 100;
  if (share.interval)
    share.interval = Interval{100 * share.interval->low, 100 * share.interval->high};
  return share;
}

std::optional<Behaviour> Compare(const SuiteResult& lane, const SuiteResult& baseline,
                                 ThreadPool& threads) {
  Behaviour behaviour;
  std::vector<Lifetime> lifetimes;
  std::vector<UnitSum> chrf;
  std::vector<UnitSum> edits;
  for (const AnswerResult& ours : lane.answers) {
    const AnswerResult* base = FindAnswer(baseline, ours.answer.prompt);
    if (base == nullptr || !ours.completed() || !base->completed()) continue;
    const auto prompt = static_cast<uint32_t>(ours.answer.prompt);
    lifetimes.push_back(CommonBeginning(ours.answer, base->answer));
    const auto common =
        std::min(lifetimes.back().time, static_cast<double>(ours.answer.token_ids.size()));
    behaviour.longest_common = std::max(behaviour.longest_common, static_cast<uint64_t>(common));
    // Two empty answers are alike.
    const bool both_empty = ours.answer.text.empty() && base->answer.text.empty();
    chrf.push_back(
        {prompt, both_empty ? 1.0 : ChrF2(ours.answer.text, base->answer.text) / 100, 1});
    edits.push_back({prompt, EditDistanceShare(ours.answer.token_ids, base->answer.token_ids), 1});
    behaviour.num_wrong_to_wrong +=
        ours.outcome == Outcome::kNeitherPasses && !ours.identical ? 1 : 0;
  }
  if (lifetimes.empty()) return std::nullopt;
  behaviour.num_compared = lifetimes.size();
  behaviour.chrf2 = TimesHundred(ClusteredMean(chrf, threads, {.range = Range::kShare}));
  behaviour.edit_distance = ClusteredMean(edits, threads, {.range = Range::kShare});
  AddSurvival(lifetimes, behaviour);
  return behaviour;
}

// The regression rates of a suite's categories; none if the baseline passes nothing.
void PoolCategories(SuiteResult& suite) {
  std::vector<GroupCount> groups;
  uint64_t num_trials = 0;
  for (const CategoryResult& category : suite.categories) {
    groups.push_back({category.counts.num_regressions, category.counts.num_baseline_passed});
    num_trials += groups.back().trials;
  }
  if (num_trials == 0) return;
  const std::vector<PooledProportion> pooled = PoolProportions(groups);
  for (size_t i = 0; i < groups.size(); ++i) {
    CategoryResult& category = suite.categories[i];
    if (category.counts.num_compared == 0) continue;
    category.evidence = CategoryEvidence{.p = TestMcNemar(category.counts.Outcomes()).exact,
                                         .p_adjusted = 1.0,
                                         .regression_rate = pooled[i].value,
                                         .regression_interval = pooled[i].interval};
  }
}

std::string Percent(double share) { return fmt::format("{:.0f}", 100 * share); }

Cell ShareCell(double share, const std::optional<Interval>& interval) {
  Cell cell{Percent(share), ""};
  if (interval)
    cell.note = fmt::format("[{}, {}]", Percent(interval->low), Percent(interval->high));
  return cell;
}

// "[12, 40]"; an end that the answers are too short to show is "beyond".
Cell MedianCell(const Behaviour& behaviour) {
  const auto token = [](const std::optional<uint64_t>& index) {
    return index ? std::to_string(*index) : std::string("beyond");
  };
  Cell cell{behaviour.median_divergence ? token(behaviour.median_divergence) : "beyond the end",
            ""};
  if (behaviour.median_divergence_low) {
    cell.note = fmt::format("[{}, {}]", token(behaviour.median_divergence_low),
                            token(behaviour.median_divergence_high));
  }
  return cell;
}

std::vector<Cell> BehaviourCells(const Behaviour& behaviour, const PromptCounts& counts) {
  std::vector<Cell> cells;
  for (const SurvivalPoint& point : behaviour.survival) {
    cells.push_back(ShareCell(point.share, point.interval));
  }
  cells.push_back(MedianCell(behaviour));
  Cell chrf{fmt::format("{:.1f}", behaviour.chrf2.value), ""};
  chrf.note = FormatInterval(behaviour.chrf2, [](double v) { return fmt::format("{:.1f}", v); });
  cells.push_back(std::move(chrf));
  cells.push_back(
      {counts.num_compared > 0 ? fmt::format("{}", behaviour.num_wrong_to_wrong) : "", ""});
  return cells;
}

}  // namespace

void AddBehaviour(ReportData& report, ThreadPool& threads) {
  for (LaneResult& lane : report.lanes) {
    if (lane.record.baseline) continue;
    for (SuiteResult& suite : lane.suites) {
      if (const SuiteResult* baseline = FindSuite(report.lanes[0], suite.suite)) {
        suite.behaviour = Compare(suite, *baseline, threads);
      }
    }
  }
}

void AddCategoryEvidence(ReportData& report) {
  std::vector<CategoryEvidence*> family;
  for (LaneResult& lane : report.lanes) {
    if (lane.record.baseline || lane.record.control || lane.error) continue;
    for (SuiteResult& suite : lane.suites) {
      PoolCategories(suite);
      for (CategoryResult& category : suite.categories) {
        if (category.evidence) family.push_back(&*category.evidence);
      }
    }
  }
  std::vector<double> p_values;
  for (const CategoryEvidence* evidence : family) p_values.push_back(evidence->p);
  const std::vector<double> adjusted = BenjaminiHochbergAdjusted(p_values);
  for (size_t i = 0; i < family.size(); ++i) family[i]->p_adjusted = adjusted[i];
}

Table BehaviourTable(const ReportData& report, size_t suite) {
  Table table{{{"Lane", "", Align::kLeft},
               {"Same to token 8", "%", Align::kRight},
               {"to 32", "%", Align::kRight},
               {"to 64", "%", Align::kRight},
               {"Median parting", "token", Align::kRight},
               {"chrF2", "of 100", Align::kRight},
               {"Wrong, otherwise", "", Align::kRight}},
              {}};
  for (const LaneResult& lane : report.lanes) {
    const SuiteResult* result = FindSuite(lane, suite);
    if (result == nullptr || !result->behaviour) continue;
    std::vector<Cell> row = {{lane.record.scheme, ""}};
    for (Cell& cell : BehaviourCells(*result->behaviour, result->counts)) {
      row.push_back(std::move(cell));
    }
    table.rows.push_back(std::move(row));
  }
  if (!table.rows.empty()) table.DropEmptyColumns();
  return table;
}

Table ExploratoryTable(const ReportData& report, size_t suite) {
  Table table{{{"Category", "", Align::kLeft}}, {}};
  std::vector<const SuiteResult*> results;
  for (const LaneResult& lane : report.lanes) {
    const SuiteResult* result = FindSuite(lane, suite);
    if (result == nullptr) continue;
    const bool any = std::ranges::any_of(result->categories, [](const CategoryResult& category) {
      return category.evidence.has_value();
    });
    if (!any) continue;
    results.push_back(result);
    table.columns.push_back({lane.record.scheme, "lost; pooled %", Align::kRight});
  }
  if (results.empty()) return {};
  for (size_t c = 0; c < results[0]->categories.size(); ++c) {
    std::vector<Cell> row = {{results[0]->categories[c].name, ""}};
    for (const SuiteResult* result : results) {
      const CategoryResult& category = result->categories[c];
      if (!category.evidence) {
        row.emplace_back();
        continue;
      }
      const CategoryEvidence& evidence = *category.evidence;
      row.push_back({fmt::format("{}/{}", category.counts.num_regressions,
                                 category.counts.num_baseline_passed),
                     fmt::format("{} [{}, {}], p {:.2g}", Percent(evidence.regression_rate),
                                 Percent(evidence.regression_interval.low),
                                 Percent(evidence.regression_interval.high), evidence.p_adjusted)});
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace bitloss

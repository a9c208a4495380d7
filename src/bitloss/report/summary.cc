#include "bitloss/report/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "bitloss/report/numbers.h"
#include "bitloss/report/verdicts.h"

namespace bitloss {
namespace {

constexpr std::array<Verdict, 6> kGravestFirst = {Verdict::kHarm,      Verdict::kNotResolved,
                                                  Verdict::kSmallHarm, Verdict::kGain,
                                                  Verdict::kNotWorse,  Verdict::kEquivalent};

// "loss"; with several texts or suites which of them too.
std::string NameOf(const ReportData& report, const Finding& finding) {
  const std::string name(Name(finding.measure));
  if (finding.measure == Measure::kAnswers) {
    if (report.manifest.suites.size() < 2) return name;
    return name + " to " + report.manifest.suites[finding.place].id;
  }
  if (finding.measure == Measure::kTask)
    return name + " " + report.manifest.tasks[finding.place].id;
  if (report.manifest.protocols.size() < 2) return name;
  return name + " on " + ProtocolTitle(report, finding.place);
}

std::string NamesOf(const ReportData& report, const LaneResult& lane, Verdict verdict) {
  std::string names;
  for (const Finding& finding : lane.findings) {
    if (finding.verdict != verdict) continue;
    names += (names.empty() ? "" : ", ") + NameOf(report, finding);
  }
  return names;
}

std::string Grounds(const ReportData& report, const LaneResult& lane, Verdict verdict) {
  std::string grounds = "by " + NamesOf(report, lane, verdict);
  if (verdict == Verdict::kNotMeasured) return grounds.substr(3);
  const std::string missing = NamesOf(report, lane, Verdict::kNotMeasured);
  return missing.empty() ? grounds : grounds + "; not measured: " + missing;
}

// "saves 62 % of the size".
std::string Saving(const LaneRecord& baseline, const LaneRecord& lane) {
  if (baseline.weight_bytes == 0 || lane.weight_bytes == 0) return {};
  const double saved = 100 * (1 - static_cast<double>(lane.weight_bytes) /
                                      static_cast<double>(baseline.weight_bytes));
  if (std::abs(saved) < 0.5) return "saves no space";
  return saved > 0 ? fmt::format("saves {:.0f} % of the size", saved)
                   : fmt::format("takes {:.0f} % more space", -saved);
}

// Two digits that matter of a percentage and of the ends of its interval.
int Decimals(double percent) { return std::abs(percent) < 1 ? 2 : std::abs(percent) < 100 ? 1 : 0; }

// "raises perplexity by 5.7 % (4.8 to 6.5)".
std::string PerplexityChange(const LaneResult& lane) {
  const TextResult* text = FindText(lane, 0);
  if (text == nullptr || !text->change_percent) return {};
  const Estimate& change = *text->change_percent;
  const int decimals = Decimals(change.value);
  if (!change.interval) {
    return fmt::format("changes perplexity by {} %, how surely is not known",
                       FormatSigned(change.value, decimals));
  }
  const auto [low, high] = *change.interval;
  if (low > 0) {
    return fmt::format("raises perplexity by {} % ({} to {})", FormatFixed(change.value, decimals),
                       FormatFixed(low, decimals), FormatFixed(high, decimals));
  }
  if (high < 0) {
    return fmt::format("lowers perplexity by {} % ({} to {})", FormatFixed(-change.value, decimals),
                       FormatFixed(-high, decimals), FormatFixed(-low, decimals));
  }
  return fmt::format("changes perplexity by anything from {} to {} %", FormatSigned(low, decimals),
                     FormatSigned(high, decimals));
}

// "loses 2 of 95 answers, which may be chance".
std::string AnswersLost(const LaneResult& lane) {
  const Finding* finding = FindFinding(lane, Measure::kAnswers, 0);
  if (finding == nullptr || !finding->interval) return {};
  const PromptCounts& counts = FindSuite(lane, 0)->counts;
  if (counts.num_regressions + counts.num_recoveries == 0) {
    return fmt::format("loses none of {} answers", counts.num_baseline_passed);
  }
  std::string text =
      fmt::format("loses {} of {} answers", counts.num_regressions, counts.num_baseline_passed);
  if (counts.num_recoveries > 0) text += fmt::format(" and regains {}", counts.num_recoveries);
  const bool shown = finding->interval->low > 0 || finding->interval->high < 0;
  return shown ? text : text + ", which may be chance";
}

// "loses 12 of 812 items of hellaswag and regains 9, which may be chance", of the first task.
std::string ItemsLost(const ReportData& report, const LaneResult& lane) {
  const TaskResult* task = FindTask(lane, 0);
  const Finding* finding = FindFinding(lane, Measure::kTask, 0);
  if (task == nullptr || finding == nullptr || !finding->interval) return {};
  const PairedTable& table = task->decisions[0].outcomes;
  const std::string items = fmt::format("{} items of {}", FormatCount(table.both + table.base_only),
                                        report.manifest.tasks[0].id);
  if (table.base_only + table.lane_only == 0) return "loses none of " + items;
  std::string text = fmt::format("loses {} of {}", table.base_only, items);
  if (table.lane_only > 0) text += fmt::format(" and regains {}", table.lane_only);
  const bool shown = finding->interval->low > 0 || finding->interval->high < 0;
  return shown ? text : text + ", which may be chance";
}

// Whether the change can be told from what other honest arithmetic does.
std::string BesideNoise(const LaneResult& lane) {
  const Finding* finding = FindFinding(lane, Measure::kDivergence, 0);
  if (finding == nullptr) return {};
  if (!finding->interval) return "whether that is more than noise was not measured";
  return finding->interval->low > 0 ? "it can be told from noise" : "it cannot be told from noise";
}

std::string Joined(const std::vector<std::string>& parts, std::string_view joint) {
  std::string text;
  for (const std::string& part : parts) {
    if (part.empty()) continue;
    text += (text.empty() ? "" : std::string(joint)) + part;
  }
  return text;
}

LaneSummary OfControl(const ReportData& report, const LaneResult& lane) {
  const Estimate* kl = nullptr;
  if (const TextResult* text = FindText(lane, 0); text != nullptr && text->kl) kl = &text->kl->mean;
  return {.lane = lane.record.lane,
          .verdict = "noise floor",
          .tone = Tone::kPlain,
          .grounds = "",
          .sentence = fmt::format(
              "is {} under other honest arithmetic{}", report.lanes[0].record.scheme,
              kl == nullptr ? ""
                            : ": a KL of " + FormatDivergence(kl->value) + " nats/token is noise")};
}

LaneSummary SummaryOf(const ReportData& report, const LaneResult& lane) {
  if (lane.error) {
    return {.lane = 0,
            .verdict = "unusable",
            .tone = Tone::kBad,
            .grounds = "",
            .sentence = "has numbers that must not be used: " + *lane.error};
  }
  if (lane.record.control) return OfControl(report, lane);
  LaneSummary summary;
  const std::string costs = Joined({PerplexityChange(lane), AnswersLost(lane)}, " and ");
  summary.sentence = Joined({Saving(report.lanes[0].record, lane.record), costs,
                             ItemsLost(report, lane), BesideNoise(lane)},
                            "; ");
  if (const std::optional<Verdict> verdict = OverallVerdict(lane)) {
    summary.verdict = Name(*verdict);
    summary.tone = ToneOf(*verdict);
    summary.grounds = Grounds(report, lane, *verdict);
  }
  return summary;
}

}  // namespace

const Finding* FindFinding(const LaneResult& lane, Measure measure, size_t place) {
  const auto found = std::ranges::find_if(lane.findings, [&](const Finding& finding) {
    return finding.measure == measure && finding.place == place;
  });
  return found == lane.findings.end() ? nullptr : &*found;
}

std::optional<Verdict> OverallVerdict(const LaneResult& lane) {
  if (lane.findings.empty()) return std::nullopt;
  for (const Verdict verdict : kGravestFirst) {
    if (std::ranges::find(lane.findings, verdict, &Finding::verdict) != lane.findings.end()) {
      return verdict;
    }
  }
  return Verdict::kNotMeasured;
}

std::vector<LaneSummary> Summarize(const ReportData& report) {
  std::vector<LaneSummary> summaries;
  for (size_t i = 0; i < report.lanes.size(); ++i) {
    if (report.lanes[i].record.baseline) continue;
    summaries.push_back(SummaryOf(report, report.lanes[i]));
    summaries.back().lane = i;
  }
  return summaries;
}

}  // namespace bitloss

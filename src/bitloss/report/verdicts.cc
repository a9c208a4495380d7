#include "bitloss/report/verdicts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "bitloss/base/sum.h"
#include "bitloss/report/failures.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/text_results.h"
#include "bitloss/stats/distributions.h"
#include "bitloss/stats/multiplicity.h"
#include "bitloss/stats/paired_outcomes.h"
#include "bitloss/stats/proportion.h"

namespace bitloss {
namespace {

// Two-sided coverage each of whose ends is a one-sided 95% bound.
constexpr double kTwoSidedOfBound = 0.90;

bool IsTested(const LaneResult& lane) { return !lane.record.baseline && !lane.record.control; }

// A finding with what its interval is made of, until the size of the family is known.
struct Candidate {
  Finding* finding = nullptr;
  std::vector<ClusterSum> clusters = {};  // of a text
  PairedTable table = {};                 // of a suite
  std::string cluster_kind = {};
};

std::optional<Candidate> NotMeasured(Finding& finding, std::string reason) {
  finding.sentence = std::move(reason);
  return std::nullopt;
}

// Two-sided, of no effect, by the jackknife's t.
double PValue(const Estimate& estimate) {
  if (*estimate.standard_error == 0) return estimate.value == 0 ? 1.0 : 0.0;
  const double t = -std::abs(estimate.value) / *estimate.standard_error;
  return std::min(1.0, 2 * StudentTCdf(t, estimate.effective_clusters - 1));
}

// An interval is needed to say anything.
std::optional<Candidate> FromClusters(const ReportData& report, const TextResult& text,
                                      std::vector<ClusterSum> clusters, const Estimate& estimate,
                                      Finding& finding) {
  const std::string& cluster_kind = report.manifest.protocols[text.protocol].cluster_kind;
  if (!estimate.interval) return NotMeasured(finding, WhyNoInterval(estimate, cluster_kind));
  finding.value = estimate.value;
  finding.p = PValue(estimate);
  return Candidate{
      .finding = &finding, .clusters = std::move(clusters), .cluster_kind = cluster_kind};
}

// From words to tokens of the text: how many tokens a word has.
double TokensPerWord(const TextResult& text) {
  Sum tokens;
  Sum words;
  for (const ClusterScores& cluster : text.clusters) {
    tokens.Add(cluster.kl_tokens);
    words.Add(cluster.delta_nll_weight);
  }
  return words.Total() > 0 ? tokens.Total() / words.Total() : 1;
}

std::optional<Candidate> LossCandidate(const ReportData& report, const TextResult& text,
                                       Finding& finding) {
  if (!text.delta_nll) return NotMeasured(finding, "no token was scored in both lanes");
  if (text.per_word) {
    // The margin is of tokens: a word has several.
    finding.margin *= TokensPerWord(text);
    finding.unit = "nats/word";
  }
  return FromClusters(report, text, DeltaClusters(text), *text.delta_nll, finding);
}

std::optional<Candidate> DivergenceCandidate(const ReportData& report, const TextResult& text,
                                             Finding& finding, ThreadPool& threads) {
  if (!text.floor) {
    return NotMeasured(finding,
                       "no A/A control says how large the noise is; add the scheme control-bf16");
  }
  const LaneResult& control = report.lanes[text.floor->lane];
  const std::optional<std::vector<ClusterSum>> clusters =
      KlAboveFloor(text, *FindText(control, text.protocol));
  if (!clusters) return NotMeasured(finding, "the control was not measured on the same tokens");
  const Estimate above = ClusteredMean(std::span<const ClusterSum>(*clusters), threads);
  return FromClusters(report, text, *clusters, above, finding);
}

std::optional<Candidate> AnswersCandidate(const SuiteResult& suite, Finding& finding) {
  const PairedTable table = suite.counts.Outcomes();
  if (table.Total() == 0) return NotMeasured(finding, "no prompt has a check in both lanes");
  if (!suite.counts.CanShowRegressions()) {
    return NotMeasured(
        finding, fmt::format("the baseline passes {} of {} prompts: too few for a loss to show",
                             suite.counts.num_baseline_passed, suite.counts.num_compared));
  }
  finding.value = 0.0 - NetChange(table);  // no -0
  finding.p = TestMcNemar(table).exact;
  return Candidate{.finding = &finding, .table = table, .cluster_kind = "prompt"};
}

std::optional<Candidate> TaskCandidate(const TaskResult& task, Finding& finding) {
  const TaskDecision& decision = task.decisions[0];
  const PairedTable& table = decision.outcomes;
  if (table.Total() == 0) return NotMeasured(finding, "no item was scored in both lanes");
  const uint64_t num_right = table.both + table.base_only;
  if (WilsonInterval(num_right, table.Total()).low <= task.chance) {
    return NotMeasured(finding,
                       fmt::format("the baseline gets {} of {} items right, which guessing may too "
                                   "({} %): it has nothing to lose",
                                   num_right, table.Total(), FormatShare(task.chance)));
  }
  finding.value = 0.0 - NetChange(table);  // no -0
  finding.p = TestMcNemar(table).exact;
  return Candidate{.finding = &finding, .table = table, .cluster_kind = "item"};
}

Interval HarmInterval(const Candidate& candidate, double confidence, ThreadPool& threads) {
  if (candidate.clusters.empty()) {
    const Interval change = TangoInterval(candidate.table, confidence);
    return {0.0 - change.high, 0.0 - change.low};
  }
  const Estimate estimate = ClusteredMean(std::span<const ClusterSum>(candidate.clusters), threads,
                                          {.confidence = confidence});
  return estimate.interval.value_or(
      Interval{-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()});
}

// Shares are told in points.
std::string Number(const Candidate& candidate, double value) {
  const Measure measure = candidate.finding->measure;
  return measure == Measure::kAnswers || measure == Measure::kTask ? FormatFixed(100 * value, 1)
                                                                   : FormatDivergence(value);
}

std::string Amount(const Candidate& candidate, double value) {
  return Number(candidate, value) + " " + std::string(candidate.finding->unit);
}

std::string_view Effect(Measure measure) {
  switch (measure) {
    case Measure::kLoss:
      return "raises the loss by";
    case Measure::kDivergence:
      return "moves the distributions, beyond the noise floor, by a KL of";
    case Measure::kAnswers:
      return "lowers the share of prompts passed by";
    case Measure::kTask:
      return "lowers the accuracy by";
  }
  return "";
}

std::string Sentence(const Candidate& candidate) {
  const Finding& finding = *candidate.finding;
  const Interval& interval = *finding.interval;
  const size_t count =
      candidate.clusters.empty() ? candidate.table.Total() : candidate.clusters.size();
  const std::string sample = fmt::format("{} {}{}", count, candidate.cluster_kind,
                                         candidate.cluster_kind.ends_with('s') ? "" : "s");
  const std::string effect =
      fmt::format("{} {} [{}, {}], {}", Effect(finding.measure), Amount(candidate, *finding.value),
                  Number(candidate, interval.low), Number(candidate, interval.high), sample);
  const std::string margin = Amount(candidate, finding.margin);
  if (finding.verdict == Verdict::kHarm) {
    return fmt::format("{}: larger than the margin of {}", effect, margin);
  }
  if (finding.verdict == Verdict::kSmallHarm) {
    return fmt::format("{}: a detectable change, smaller than the margin of {}", effect, margin);
  }
  if (finding.verdict == Verdict::kGain) {
    return fmt::format("changes by {} [{}, {}], {}: better than the baseline, not the same as it",
                       Amount(candidate, *finding.value), Number(candidate, interval.low),
                       Number(candidate, interval.high), sample);
  }
  if (finding.verdict == Verdict::kEquivalent || finding.verdict == Verdict::kNotWorse) {
    const std::string bound =
        fmt::format("no loss larger than {} is compatible with these data (bound {}, {})", margin,
                    Number(candidate, *finding.upper_bound), sample);
    return finding.verdict == Verdict::kEquivalent ? bound : bound + "; a gain larger than that is";
  }
  if (interval.low > 0) {
    return fmt::format("{}: whether it is larger than the margin of {} is not resolved", effect,
                       margin);
  }
  return fmt::format("the data allow anything from a gain of {} to a loss of {} ({})",
                     Number(candidate, 0.0 - interval.low), Amount(candidate, interval.high),
                     sample);
}

// One place for each finding of a lane, before anything points to them.
void ListFindings(LaneResult& lane) {
  for (const TextResult& text : lane.texts) {
    lane.findings.push_back({.measure = Measure::kLoss,
                             .place = text.protocol,
                             .margin = kLossMargin,
                             .unit = "nats/token"});
    lane.findings.push_back({.measure = Measure::kDivergence,
                             .place = text.protocol,
                             .margin = kDivergenceMargin,
                             .unit = "nats/token"});
  }
  for (const SuiteResult& suite : lane.suites) {
    lane.findings.push_back({.measure = Measure::kAnswers,
                             .place = suite.suite,
                             .margin = kAnswersMargin,
                             .unit = "points"});
  }
  for (const TaskResult& task : lane.tasks) {
    lane.findings.push_back(
        {.measure = Measure::kTask, .place = task.task, .margin = kTaskMargin, .unit = "points"});
  }
}

// None: the finding's sentence says why.
std::optional<Candidate> MakeCandidate(const ReportData& report, const LaneResult& lane,
                                       Finding& finding, ThreadPool& threads) {
  if (lane.error) return NotMeasured(finding, *lane.error);
  switch (finding.measure) {
    case Measure::kLoss:
      return LossCandidate(report, *FindText(lane, finding.place), finding);
    case Measure::kDivergence:
      return DivergenceCandidate(report, *FindText(lane, finding.place), finding, threads);
    case Measure::kTask:
      return TaskCandidate(*FindTask(lane, finding.place), finding);
    case Measure::kAnswers:
      break;
  }
  return AnswersCandidate(*FindSuite(lane, finding.place), finding);
}

void AdjustPValues(std::span<const Candidate> candidates) {
  std::vector<double> p_values;
  for (const Candidate& candidate : candidates) p_values.push_back(*candidate.finding->p);
  const std::vector<double> adjusted = HolmAdjusted(p_values);
  const auto count = static_cast<double>(candidates.size());
  for (size_t i = 0; i < candidates.size(); ++i) {
    Finding& finding = *candidates[i].finding;
    finding.p_holm = adjusted[i];
    finding.p_bonferroni = std::min(1.0, count * *finding.p);
  }
}

// A divergence that is shown to lie above the floor can be told from it, whatever its size.
void RelabelWhatIsShown(LaneResult& lane) {
  for (const Finding& finding : lane.findings) {
    if (finding.measure != Measure::kDivergence || !finding.interval) continue;
    if (!(finding.interval->low > 0)) continue;
    for (TextResult& text : lane.texts) {
      if (text.protocol == finding.place && text.label == DivergenceLabel::kIndistinguishable) {
        text.label = LabelOf(text.kl->mean.value, text.top1_agreement->value, 0);
      }
    }
  }
}

}  // namespace

std::string_view Name(DivergenceLabel label) {
  switch (label) {
    case DivergenceLabel::kIndistinguishable:
      return "indistinguishable";
    case DivergenceLabel::kNearLossless:
      return "near-lossless";
    case DivergenceLabel::kModerate:
      return "moderate";
    case DivergenceLabel::kHeavy:
      return "heavy";
    case DivergenceLabel::kBroken:
      return "broken";
  }
  return "";
}

std::string_view Name(Measure measure) {
  switch (measure) {
    case Measure::kLoss:
      return "loss";
    case Measure::kDivergence:
      return "divergence";
    case Measure::kAnswers:
      return "answers";
    case Measure::kTask:
      return "task";
  }
  return "";
}

DivergenceLabel LabelOf(double mean_kl, double top1_agreement, double floor_kl) {
  if (mean_kl <= 3 * floor_kl) return DivergenceLabel::kIndistinguishable;
  if (mean_kl <= 0.01 && top1_agreement >= 0.95) return DivergenceLabel::kNearLossless;
  if (mean_kl <= 0.1 && top1_agreement >= 0.85) return DivergenceLabel::kModerate;
  if (mean_kl <= 0.5 && top1_agreement >= 0.65) return DivergenceLabel::kHeavy;
  return DivergenceLabel::kBroken;
}

namespace {

// The control that is furthest from the baseline on a suite.
std::optional<SuiteFloor> FloorOf(const ReportData& report, size_t suite) {
  std::optional<SuiteFloor> floor;
  for (size_t i = 0; i < report.lanes.size(); ++i) {
    const SuiteResult* result = FindSuite(report.lanes[i], suite);
    if (!report.lanes[i].record.control || result == nullptr) continue;
    const PromptCounts& counts = result->counts;
    if (!counts.answer_kl) continue;
    if (floor && counts.answer_kl->value <= floor->answer_kl) continue;
    floor = SuiteFloor{.lane = i,
                       .answer_kl = counts.answer_kl->value,
                       .num_regressions = counts.num_regressions,
                       .num_recoveries = counts.num_recoveries,
                       .num_identical = counts.num_identical};
  }
  return floor;
}

void AddSuiteFloors(ReportData& report) {
  for (size_t suite = 0; suite < report.manifest.suites.size(); ++suite) {
    const std::optional<SuiteFloor> floor = FloorOf(report, suite);
    if (!floor) continue;
    for (LaneResult& lane : report.lanes) {
      if (!IsTested(lane)) continue;
      for (SuiteResult& result : lane.suites) {
        const PromptCounts& counts = result.counts;
        if (result.suite != suite || !counts.answer_kl || !counts.answer_top1_agreement) continue;
        result.floor = floor;
        result.label = LabelOf(counts.answer_kl->value, counts.answer_top1_agreement->value,
                               *floor->answer_kl);
      }
    }
  }
}

// A lane whose answers fail outright more often than the baseline's is broken, whatever its KL.
void LabelTheBroken(ReportData& report) {
  for (LaneResult& lane : report.lanes) {
    const bool broken = std::ranges::any_of(lane.suites, [&](const SuiteResult& suite) {
      return HardFailuresRose(suite, kAnswersMargin);
    });
    if (!broken) continue;
    for (TextResult& text : lane.texts) {
      if (text.label) text.label = DivergenceLabel::kBroken;
    }
    for (SuiteResult& suite : lane.suites) {
      if (suite.label) suite.label = DivergenceLabel::kBroken;
    }
  }
}

}  // namespace

void AddNoiseFloors(ReportData& report) {
  AddSuiteFloors(report);
  for (size_t protocol = 0; protocol < report.manifest.protocols.size(); ++protocol) {
    std::optional<NoiseFloor> floor;
    for (size_t i = 0; i < report.lanes.size(); ++i) {
      const TextResult* text = FindText(report.lanes[i], protocol);
      if (!report.lanes[i].record.control || text == nullptr || !text->kl) continue;
      if (!text->top1_agreement) continue;
      if (floor && text->kl->mean.value <= floor->kl) continue;
      floor = NoiseFloor{i, text->kl->mean.value, text->top1_agreement->value};
    }
    if (!floor) continue;
    for (LaneResult& lane : report.lanes) {
      if (!IsTested(lane)) continue;
      for (TextResult& text : lane.texts) {
        if (text.protocol != protocol || !text.kl || !text.top1_agreement) continue;
        text.floor = floor;
        text.label = LabelOf(text.kl->mean.value, text.top1_agreement->value, floor->kl);
      }
    }
  }
  LabelTheBroken(report);
}

void AddFindings(ReportData& report, ThreadPool& threads) {
  std::vector<Candidate> candidates;
  for (LaneResult& lane : report.lanes) {
    if (!IsTested(lane)) continue;
    ListFindings(lane);
    for (Finding& finding : lane.findings) {
      std::optional<Candidate> candidate = MakeCandidate(report, lane, finding, threads);
      if (candidate) candidates.push_back(std::move(*candidate));
    }
  }
  ConfirmatoryFamily& family = report.confirmatory;
  family.num_tests = candidates.size();
  if (candidates.empty()) return;
  family.confidence = 1 - family.alpha / static_cast<double>(family.num_tests);
  for (Candidate& candidate : candidates) {
    Finding& finding = *candidate.finding;
    finding.interval = HarmInterval(candidate, family.confidence, threads);
    const Interval bounds = HarmInterval(candidate, kTwoSidedOfBound, threads);
    finding.upper_bound = bounds.high;
    finding.lower_bound = bounds.low;
    finding.verdict = Judge({*finding.interval, bounds.high, bounds.low}, finding.margin);
    finding.sentence = Sentence(candidate);
  }
  AdjustPValues(candidates);
  for (LaneResult& lane : report.lanes) RelabelWhatIsShown(lane);
}

std::string VerdictCaption(const ReportData& report) {
  const ConfirmatoryFamily& family = report.confirmatory;
  if (family.num_tests == 0) return {};
  return fmt::format(
      "{} test{} together at 95%: each interval that shows harm is at {:.2f}%, bounds that show "
      "its "
      "absence are one-sided at 95%{}",
      family.num_tests, family.num_tests == 1 ? "" : "s", 100 * family.confidence,
      family.num_tests > 1 ? " each: of several lanes just at the margin one may clear it by chance"
                           : "");
}

Tone ToneOf(Verdict verdict) {
  switch (verdict) {
    case Verdict::kHarm:
      return Tone::kBad;
    case Verdict::kSmallHarm:
    case Verdict::kGain:
      return Tone::kMild;
    case Verdict::kEquivalent:
    case Verdict::kNotWorse:
      return Tone::kGood;
    case Verdict::kNotResolved:
    case Verdict::kNotMeasured:
      break;
  }
  return Tone::kOpen;
}

namespace {

// Of a finding, behind the lane's name.
size_t ColumnOf(const Manifest& manifest, const Finding& finding) {
  switch (finding.measure) {
    case Measure::kLoss:
      return 2 * finding.place;
    case Measure::kDivergence:
      return 2 * finding.place + 1;
    case Measure::kAnswers:
      return 2 * manifest.protocols.size() + finding.place;
    case Measure::kTask:
      break;
  }
  return 2 * manifest.protocols.size() + manifest.suites.size() + finding.place;
}

}  // namespace

Table VerdictTable(const ReportData& report) {
  Table table{{{"Lane", "", Align::kLeft}}, {}};
  const auto add = [&](const char* name, const std::string& place) {
    table.columns.push_back({name, place, Align::kLeft});
  };
  const Manifest& manifest = report.manifest;
  for (size_t p = 0; p < manifest.protocols.size(); ++p) {
    add("Loss", ProtocolTitle(report, p));
    add("Divergence", ProtocolTitle(report, p));
  }
  for (const SuiteRecord& suite : manifest.suites) add("Answers", suite.id);
  for (const TaskRecord& task : manifest.tasks) add("Task", task.id);
  for (const LaneResult& lane : report.lanes) {
    if (lane.findings.empty()) continue;
    std::vector<Cell> row(table.columns.size());
    row[0] = {lane.record.scheme, ""};
    for (const Finding& finding : lane.findings) {
      row[1 + ColumnOf(manifest, finding)] = {std::string(Name(finding.verdict)), finding.sentence,
                                              ToneOf(finding.verdict)};
    }
    table.rows.push_back(std::move(row));
  }
  table.DropEmptyColumns();
  return table;
}

}  // namespace bitloss

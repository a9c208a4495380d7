#include "bitloss/report/recommend.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "bitloss/base/check.h"
#include "bitloss/report/gate_metrics.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/paired_kl.h"
#include "bitloss/report/ranking.h"

namespace bitloss {
namespace {

// A bound on damage, in the gate's own metric.
struct Bound {
  const GateMetric* metric;
  double limit;
  std::string (*format)(double);
  std::string name;
};

std::vector<Bound> BoundsOf(const Wish& wish) {
  std::vector<Bound> bounds;
  if (wish.max_kl) {
    bounds.push_back({FindGateMetric("kl"), *wish.max_kl, FormatDivergence, "a KL of at most"});
  }
  if (wish.min_same_top1) {
    bounds.push_back({FindGateMetric("top1_agreement"), *wish.min_same_top1, FormatShare,
                      "the same top-1 in % of at least"});
  }
  return bounds;
}

bool IsWeighed(const LaneResult& lane) {
  return !lane.record.baseline && !lane.record.control && !lane.error;
}

Holds Judge(const Bound& bound, const Interval& interval) {
  const bool at_most = bound.metric->side == GateMetric::Side::kAtMost;
  if (at_most ? interval.high <= bound.limit : interval.low >= bound.limit) return Holds::kYes;
  if (at_most ? interval.low > bound.limit : interval.high < bound.limit) return Holds::kNo;
  return Holds::kOpen;
}

// The worse of two, with its reason.
void Worsen(Holds holds, std::string reason, WeighedLane& lane) {
  const auto gravity = [](Holds h) { return h == Holds::kNo ? 2 : h == Holds::kOpen ? 1 : 0; };
  if (gravity(holds) <= gravity(lane.holds)) return;
  lane.holds = holds;
  lane.reason = std::move(reason);
}

struct Scales {
  const ReportData& report;
  const Wish& wish;
  std::vector<Bound> bounds;
  double confidence;  // of each interval
  ThreadPool& threads;
};

void WeighText(const Scales& scales, const LaneResult& lane, const TextResult& text,
               WeighedLane& weighed) {
  for (const Bound& bound : scales.bounds) {
    const GateSubject subject{scales.report, lane, &text, nullptr};
    const Result<Measured> measured =
        bound.metric->measure(subject, scales.confidence, scales.threads);
    if (!measured.ok()) {
      Worsen(Holds::kOpen, measured.error().message, weighed);
      continue;
    }
    const Interval& interval = measured.value().interval;
    const Holds holds = Judge(bound, interval);
    Worsen(holds,
           fmt::format("{} {}: {} [{}, {}]{}", bound.name, bound.format(bound.limit),
                       bound.format(measured.value().value), bound.format(interval.low),
                       bound.format(interval.high),
                       holds == Holds::kOpen ? " leaves it open" : " does not hold it"),
           weighed);
  }
}

WeighedLane Weigh(const Scales& scales, size_t number) {
  const LaneResult& lane = scales.report.lanes[number];
  WeighedLane weighed{.lane = number, .holds = Holds::kYes, .reason = {}};
  if (scales.wish.max_bytes && lane.record.weight_bytes > *scales.wish.max_bytes) {
    Worsen(Holds::kNo,
           fmt::format("{} MB are more than {}", FormatMegabytes(lane.record.weight_bytes),
                       FormatMegabytes(*scales.wish.max_bytes)),
           weighed);
  }
  if (scales.bounds.empty()) return weighed;
  if (lane.texts.empty()) Worsen(Holds::kOpen, "no text was scored", weighed);
  for (const TextResult& text : lane.texts) WeighText(scales, lane, text, weighed);
  return weighed;
}

std::string NamesOf(const ReportData& report, const std::vector<size_t>& lanes) {
  std::vector<std::string> names;
  for (const size_t lane : lanes) names.push_back(report.lanes[lane].record.scheme);
  return fmt::format("{}", fmt::join(names, ", "));
}

std::vector<size_t> LanesThat(const Recommendation& recommendation, Holds holds) {
  std::vector<size_t> lanes;
  for (const WeighedLane& lane : recommendation.lanes) {
    if (lane.holds == holds) lanes.push_back(lane.lane);
  }
  return lanes;
}

size_t Smallest(const ReportData& report, const std::vector<size_t>& lanes) {
  return *std::ranges::min_element(
      lanes, {}, [&](size_t lane) { return report.lanes[lane].record.weight_bytes; });
}

// The smallest of those that hold; smaller ones that may hold are named beside it.
void NameTheSmallest(const ReportData& report, Recommendation& recommendation) {
  const size_t lane = Smallest(report, LanesThat(recommendation, Holds::kYes));
  recommendation.outcome = Recommendation::Outcome::kNamed;
  recommendation.lane = lane;
  const uint64_t bytes = report.lanes[lane].record.weight_bytes;
  recommendation.sentence =
      fmt::format("{}: with {} MB the smallest lane that is shown to hold what was asked",
                  report.lanes[lane].record.scheme, FormatMegabytes(bytes));
  std::vector<size_t> open = LanesThat(recommendation, Holds::kOpen);
  std::erase_if(open, [&](size_t l) { return report.lanes[l].record.weight_bytes >= bytes; });
  if (open.empty()) return;
  recommendation.sentence +=
      fmt::format("; of the smaller {} the data leave it open", NamesOf(report, open));
}

// The closest to the baseline of those that fit, unless another of them may be as close.
void NameTheClosest(const ReportData& report, Recommendation& recommendation) {
  const Ranking ranking = RankLanes(report);
  const std::vector<size_t> fitting = LanesThat(recommendation, Holds::kYes);
  std::vector<size_t> first;  // those that none that fits is shown to be closer than
  for (const size_t lane : fitting) {
    const bool beaten =
        std::ranges::any_of(fitting, [&](size_t other) { return ranking.IsCloser(other, lane); });
    if (!beaten) first.push_back(lane);
  }
  BITLOSS_CHECK(!first.empty());
  if (first.size() == 1) {
    recommendation.outcome = Recommendation::Outcome::kNamed;
    recommendation.lane = first[0];
    const LaneRecord& record = report.lanes[first[0]].record;
    recommendation.sentence =
        fitting.size() == 1
            ? fmt::format("{}: the only lane that fits", record.scheme)
            : fmt::format("{}: of the {} lanes that fit the one shown to be closest to {}",
                          record.scheme, fitting.size(), report.lanes[0].record.scheme);
    return;
  }
  recommendation.outcome = Recommendation::Outcome::kCannotTell;
  recommendation.sentence =
      fmt::format("{} fit and cannot be told apart; the smallest of them is {}",
                  NamesOf(report, first), report.lanes[Smallest(report, first)].record.scheme);
}

std::string_view WordFor(Holds holds) {
  return holds == Holds::kYes ? "yes" : holds == Holds::kNo ? "no" : "open";
}

Tone ToneOf(Holds holds) {
  return holds == Holds::kYes ? Tone::kGood : holds == Holds::kNo ? Tone::kBad : Tone::kOpen;
}

}  // namespace

Recommendation Recommend(const ReportData& report, const Wish& wish, ThreadPool& threads) {
  Scales scales{report, wish, BoundsOf(wish), 0.95, threads};
  const auto num_lanes = static_cast<size_t>(std::ranges::count_if(report.lanes, IsWeighed));
  const size_t num_tests = num_lanes * scales.bounds.size() * report.manifest.protocols.size();
  if (num_tests > 0) scales.confidence = 1 - 0.05 / static_cast<double>(num_tests);

  Recommendation recommendation;
  for (size_t i = 0; i < report.lanes.size(); ++i) {
    if (IsWeighed(report.lanes[i])) recommendation.lanes.push_back(Weigh(scales, i));
  }
  if (!LanesThat(recommendation, Holds::kYes).empty()) {
    scales.bounds.empty() ? NameTheClosest(report, recommendation)
                          : NameTheSmallest(report, recommendation);
    return recommendation;
  }
  const std::vector<size_t> open = LanesThat(recommendation, Holds::kOpen);
  recommendation.outcome =
      open.empty() ? Recommendation::Outcome::kNoneFits : Recommendation::Outcome::kCannotTell;
  recommendation.sentence =
      open.empty() ? "none: no lane holds what was asked"
                   : fmt::format(
                         "none is shown to hold what was asked; of {} the data leave it "
                         "open: more text would say",
                         NamesOf(report, open));
  return recommendation;
}

Table RecommendationTable(const ReportData& report, const Recommendation& recommendation) {
  Table table{{{"Lane", "", Align::kLeft},
               {"Size", "MB", Align::kRight},
               {"KL", "nats/token", Align::kRight},
               {"Same top-1", "%", Align::kRight},
               {"Holds", "", Align::kLeft}},
              {}};
  for (const WeighedLane& weighed : recommendation.lanes) {
    const LaneResult& lane = report.lanes[weighed.lane];
    const TextResult* text = FindText(lane, 0);
    const Estimate* kl = KlOf(report, lane);
    Cell same;
    if (text != nullptr && text->top1_agreement) {
      same = {FormatShare(text->top1_agreement->value), ""};
    }
    table.rows.push_back(
        {{lane.record.scheme, ""},
         {FormatMegabytes(lane.record.weight_bytes), ""},
         {kl == nullptr ? "" : FormatDivergence(kl->value), ""},
         same,
         {std::string(WordFor(weighed.holds)), weighed.reason, ToneOf(weighed.holds)}});
  }
  table.DropEmptyColumns();
  return table;
}

}  // namespace bitloss

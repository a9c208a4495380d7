#include "bitloss/report/gate.h"

#include <fmt/format.h>

#include <algorithm>

#include "bitloss/report/tables.h"

namespace bitloss {
namespace {

// One thing to check, before its interval is known.
struct Pending {
  const GateRule* rule;
  const GateMetric* metric;
  const LaneResult* lane;
  const TextResult* text = nullptr;
  const SuiteResult* suite = nullptr;
  std::string place = {};
};

// "at most 0.05 nats/token".
std::string BoundText(const GateRule& rule, const GateMetric& metric) {
  return fmt::format("{} {} {}", metric.side == GateMetric::Side::kAtMost ? "at most" : "at least",
                     rule.bound, metric.unit);
}

GateCheck Undecided(const GateRule& rule, std::string lane, std::string place,
                    std::string sentence) {
  return {.state = GateState::kUndecided,
          .lane = std::move(lane),
          .metric = rule.metric,
          .bound = BoundText(rule, *FindGateMetric(rule.metric)),
          .place = std::move(place),
          .sentence = std::move(sentence),
          .measured = std::nullopt,
          .confidence = 0.0};
}

bool Named(const std::optional<std::string>& wanted, const std::string& name) {
  return !wanted || *wanted == name;
}

// The checks that a rule asks of a lane; where the study lacks what it names, a check that cannot
// be decided.
void Expand(const ReportData& report, const GateRule& rule, const LaneResult& lane,
            std::vector<Pending>& pending, std::vector<GateCheck>& missing) {
  const GateMetric& metric = *FindGateMetric(rule.metric);
  const size_t before = pending.size();
  switch (metric.place) {
    case GateMetric::Place::kLane:
      pending.push_back({&rule, &metric, &lane});
      break;
    case GateMetric::Place::kText:
      for (const TextResult& text : lane.texts) {
        if (!Named(rule.protocol, report.manifest.protocols[text.protocol].id)) continue;
        pending.push_back(
            {&rule, &metric, &lane, &text, nullptr, ProtocolTitle(report, text.protocol)});
      }
      break;
    case GateMetric::Place::kSuite:
      for (const SuiteResult& suite : lane.suites) {
        const std::string& id = report.manifest.suites[suite.suite].id;
        if (Named(rule.suite, id)) pending.push_back({&rule, &metric, &lane, nullptr, &suite, id});
      }
      break;
  }
  if (pending.size() > before) return;
  const std::string wanted = rule.protocol.value_or(rule.suite.value_or(""));
  missing.push_back(Undecided(rule, lane.record.scheme, wanted,
                              metric.place == GateMetric::Place::kText
                                  ? "the study has not scored such a text"
                                  : "the study has not answered such a suite"));
}

std::string LaneNames(const ReportData& report) {
  std::string names;
  for (const LaneResult& lane : report.lanes) {
    names += (names.empty() ? "" : ", ") + lane.record.scheme;
  }
  return names;
}

// The lanes that a rule asks about. kNotFound for one that the study does not have: a rule about a
// lane that is not there would hold for ever.
Result<std::vector<const LaneResult*>> LanesOf(const ReportData& report, const GateRule& rule) {
  std::vector<const LaneResult*> lanes;
  if (rule.lanes.empty()) {
    for (const LaneResult& lane : report.lanes) {
      if (!lane.record.baseline && !lane.record.control) lanes.push_back(&lane);
    }
    return lanes;
  }
  for (const std::string& name : rule.lanes) {
    const auto found = std::ranges::find(report.lanes, name,
                                         [](const LaneResult& lane) { return lane.record.scheme; });
    if (found == report.lanes.end()) {
      return NotFound("rule '{}' is about lane '{}', which the study does not have; it has: {}",
                      rule.metric, name, LaneNames(report));
    }
    lanes.push_back(&*found);
  }
  return lanes;
}

// Turned so that harm is large.
struct Sided {
  double low;
  double high;
  double bound;
};
Sided Turn(const Interval& interval, double bound, GateMetric::Side side) {
  if (side == GateMetric::Side::kAtMost) return {interval.low, interval.high, bound};
  return {-interval.high, -interval.low, -bound};
}

std::string Told(const Measured& measured, double confidence) {
  // + 0.0: a zero has no sign.
  if (measured.sample.empty()) return fmt::format("{:.4g}", measured.value + 0.0);
  return fmt::format("{:.4g} [{:.4g}, {:.4g}] ({:.4g}% interval, {})", measured.value + 0.0,
                     measured.interval.low + 0.0, measured.interval.high + 0.0, 100 * confidence,
                     measured.sample);
}

GateCheck Check(const ReportData& report, const Pending& pending, size_t num_checks,
                ThreadPool& threads) {
  const GateRule& rule = *pending.rule;
  const GateMetric& metric = *pending.metric;
  GateCheck check = Undecided(rule, pending.lane->record.scheme, pending.place, "");
  const GateSubject subject{report, *pending.lane, pending.text, pending.suite};
  // Each end of a two-sided interval at 2c - 1 is a one-sided bound at c.
  const double plain = 2 * rule.confidence - 1;
  const double adjusted = 1 - 2 * (1 - rule.confidence) / static_cast<double>(num_checks);
  const Result<Measured> measured = metric.measure(subject, plain, threads);
  if (!measured.ok()) {
    check.sentence = measured.error().message;
    return check;
  }
  check.measured = measured.value();
  check.confidence = plain;
  const Sided sided = Turn(check.measured->interval, rule.bound, metric.side);
  if (sided.high <= sided.bound) {
    check.state = GateState::kHolds;
  } else if (const Result<Measured> strict = metric.measure(subject, adjusted, threads);
             strict.ok() &&
             Turn(strict.value().interval, rule.bound, metric.side).low > sided.bound) {
    check.state = GateState::kHarm;
    check.measured = strict.value();
    check.confidence = adjusted;
  }
  check.sentence = fmt::format("{}; {}", Told(*check.measured, check.confidence), check.bound);
  return check;
}

}  // namespace

std::string_view Name(GateState state) {
  switch (state) {
    case GateState::kHolds:
      return "holds";
    case GateState::kHarm:
      return "harm shown";
    case GateState::kUndecided:
      return "cannot decide";
  }
  return "";
}

size_t GateResult::Count(GateState state) const {
  return static_cast<size_t>(std::ranges::count(checks, state, &GateCheck::state));
}

int GateResult::exit_code() const {
  if (Count(GateState::kHarm) > 0) return 1;
  return Count(GateState::kHolds) == checks.size() && !checks.empty() ? 0 : 2;
}

Result<GateResult> CheckGate(const ReportData& report, const GatePolicy& policy,
                             ThreadPool& threads) {
  GateResult result;
  std::vector<Pending> pending;
  for (const GateRule& rule : policy.rules) {
    BITLOSS_TRY(const std::vector<const LaneResult*> lanes, LanesOf(report, rule));
    for (const LaneResult* lane : lanes) {
      if (lane->error) return BadInput("lane '{}': {}", lane->record.scheme, *lane->error);
      Expand(report, rule, *lane, pending, result.checks);
    }
  }
  for (const Pending& one : pending) {
    result.checks.push_back(Check(report, one, pending.size(), threads));
  }
  if (!report.complete) {
    GateCheck incomplete;
    incomplete.metric = "complete";
    incomplete.sentence = "the study is not complete; the command that made it goes on from here";
    result.checks.push_back(std::move(incomplete));
  }
  // What decides comes last, where a reader of a log looks first.
  const auto rank = [](const GateCheck& check) {
    return check.state == GateState::kHolds ? 0 : check.state == GateState::kUndecided ? 1 : 2;
  };
  std::ranges::stable_sort(result.checks, {}, rank);
  return result;
}

}  // namespace bitloss

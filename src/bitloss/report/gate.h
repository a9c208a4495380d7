// Holds a study against a policy.
//
// A rule is checked for each lane in each place that it names. For a bound B that must not be
// exceeded (the other side likewise), at the rule's one-sided confidence c:
//
//   holds         the upper end of the interval is <= B at confidence c
//   harm shown    its lower end is > B at confidence 1 - (1 - c) / m, m the number of checks, so
//                 that a policy of many rules raises no more false alarms than one of one rule
//   cannot decide neither, or the metric was not measured
#ifndef BITLOSS_REPORT_GATE_H_
#define BITLOSS_REPORT_GATE_H_

#include <optional>
#include <string>
#include <vector>

#include "bitloss/report/gate_metrics.h"
#include "bitloss/report/policy.h"
#include "bitloss/report/report_data.h"

namespace bitloss {

enum class GateState { kHolds, kHarm, kUndecided };
std::string_view Name(GateState state);  // "holds", "harm shown", "cannot decide"

struct GateCheck {
  GateState state = GateState::kUndecided;
  std::string lane;
  std::string metric;
  std::string bound;     // "at most 0.05 nats/token"; empty of what is not a rule
  std::string place;     // "eval.txt, lines-512-seed", "core96"; empty of a fact about the lane
  std::string sentence;  // the deciding interval against the bound, or why there is none
  std::optional<Measured> measured;
  double confidence = 0.0;  // two-sided, of the deciding interval
};

struct GateResult {
  std::vector<GateCheck> checks;

  size_t Count(GateState state) const;
  // 1 if any check shows harm, else 2 if any cannot be decided or there is none, else 0.
  int exit_code() const;
};

// kBadInput if a lane that a rule asks about has an error: its numbers must not be used.
Result<GateResult> CheckGate(const ReportData& report, const GatePolicy& policy,
                             ThreadPool& threads);

// For a terminal: a line for each check, the undecided and harmful ones last, and the outcome.
std::string WriteGateText(const GateResult& result);
// A table for a CI job's summary.
std::string WriteGateMarkdown(const GateResult& result, std::string_view title);
// JUnit XML: a test case for each check; harm is a failure, what cannot be decided an error.
std::string WriteGateJunit(const GateResult& result, std::string_view title);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_GATE_H_

// What a gate can ask about: each metric with its direction, its place, and how its interval comes.
#ifndef BITLOSS_REPORT_GATE_METRICS_H_
#define BITLOSS_REPORT_GATE_METRICS_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "bitloss/report/report_data.h"

namespace bitloss {

// A value with the two-sided interval that was asked for. A fact (bits per weight) has an interval
// of one point.
struct Measured {
  double value;
  Interval interval;
  std::string sample;  // "12 articles", "96 prompts"; empty of a fact
};

// A lane's result in one place; `report` is at hand for the floor.
struct GateSubject {
  const ReportData& report;
  const LaneResult& lane;
  const TextResult* text = nullptr;
  const SuiteResult* suite = nullptr;
};

struct GateMetric {
  enum class Place { kText, kSuite, kLane };
  enum class Side { kAtMost, kAtLeast };  // the side of the bound that is no harm

  std::string_view name;
  std::string_view unit;
  Place place;
  Side side;
  std::string_view summary;
  // kBadInput says in one clause why it was not measured. Requires: what `place` says is there.
  Result<Measured> (*measure)(const GateSubject& subject, double confidence, ThreadPool& threads);
};

std::span<const GateMetric> GateMetrics();
const GateMetric* FindGateMetric(std::string_view name);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_GATE_METRICS_H_

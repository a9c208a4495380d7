#include "bitloss/report/policy.h"

#define TOML_EXCEPTIONS 0
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>

#include "bitloss/report/gate_metrics.h"

namespace bitloss {
namespace {

// Where in the policy something stands, for errors.
struct Place {
  std::string_view path;
  uint32_t line = 0;
};

template <class... Args>
Error Bad(const Place& place, fmt::format_string<Args...> format, Args&&... args) {
  return BadInput("{}:{}: {}", place.path, place.line,
                  fmt::format(format, std::forward<Args>(args)...));
}

Place At(const toml::node& node, const Place& around) {
  return {around.path, static_cast<uint32_t>(node.source().begin.line)};
}

Status CheckKeys(const toml::table& table, std::initializer_list<std::string_view> known,
                 const Place& around) {
  for (const auto& [key, value] : table) {
    if (std::ranges::find(known, key.str()) == known.end()) {
      return Bad(At(value, around), "unknown key '{}'; known here: {}", key.str(),
                 fmt::join(known, ", "));
    }
  }
  return Ok();
}

Result<double> ReadNumber(const toml::node& node, std::string_view key, const Place& around) {
  const std::optional<double> value = node.value<double>();
  if (!value || !std::isfinite(*value)) return Bad(At(node, around), "'{}' is not a number", key);
  return *value;
}

Result<std::string> ReadText(const toml::node& node, std::string_view key, const Place& around) {
  if (!node.is_string()) return Bad(At(node, around), "'{}' is not a string", key);
  return node.as_string()->get();
}

Result<double> ReadConfidence(const toml::node& node, const Place& around) {
  BITLOSS_TRY(const double confidence, ReadNumber(node, "confidence", around));
  if (confidence <= 0.5 || confidence >= 1) {
    return Bad(At(node, around), "'confidence' is {}; it must lie between 0.5 and 1", confidence);
  }
  return confidence;
}

Result<std::vector<std::string>> ReadLanes(const toml::node& node, const Place& around) {
  if (!node.is_array()) return Bad(At(node, around), "'lanes' is not an array of scheme names");
  std::vector<std::string> lanes;
  for (const toml::node& lane : *node.as_array()) {
    BITLOSS_TRY(lanes.emplace_back(), ReadText(lane, "lanes", around));
  }
  return lanes;
}

std::string MetricNames() {
  std::vector<std::string_view> names;
  for (const GateMetric& metric : GateMetrics()) names.push_back(metric.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

// The metric's bound, given under the name that fits the way in which it does harm.
Result<double> ReadBound(const toml::table& table, const GateMetric& metric, const Place& place) {
  const bool at_most = metric.side == GateMetric::Side::kAtMost;
  const std::string_view key = at_most ? "at_most" : "at_least";
  const std::string_view other = at_most ? "at_least" : "at_most";
  if (table.contains(other)) {
    return Bad(place, "'{}' needs '{}', not '{}'", metric.name, key, other);
  }
  const toml::node* bound = table.get(key);
  if (bound == nullptr) return Bad(place, "the rule for '{}' has no '{}'", metric.name, key);
  return ReadNumber(*bound, key, place);
}

Result<GateRule> ReadRule(const toml::table& table, double confidence, const Place& around) {
  const Place place = At(table, around);
  BITLOSS_DO(CheckKeys(
      table, {"metric", "at_most", "at_least", "lanes", "protocol", "suite", "confidence"},
      around));
  const toml::node* name = table.get("metric");
  if (name == nullptr) return Bad(place, "a rule has no 'metric'; known: {}", MetricNames());
  GateRule rule;
  BITLOSS_TRY(rule.metric, ReadText(*name, "metric", place));
  const GateMetric* metric = FindGateMetric(rule.metric);
  if (metric == nullptr) {
    return Bad(At(*name, around), "unknown metric '{}'; known: {}", rule.metric, MetricNames());
  }
  BITLOSS_TRY(rule.bound, ReadBound(table, *metric, place));
  rule.confidence = confidence;
  if (const toml::node* node = table.get("confidence")) {
    BITLOSS_TRY(rule.confidence, ReadConfidence(*node, place));
  }
  if (const toml::node* node = table.get("lanes")) {
    BITLOSS_TRY(rule.lanes, ReadLanes(*node, place));
  }
  if (const toml::node* node = table.get("protocol")) {
    if (metric->place != GateMetric::Place::kText) {
      return Bad(At(*node, around), "'{}' has no protocol", rule.metric);
    }
    BITLOSS_TRY(rule.protocol, ReadText(*node, "protocol", place));
  }
  if (const toml::node* node = table.get("suite")) {
    if (metric->place != GateMetric::Place::kSuite) {
      return Bad(At(*node, around), "'{}' has no suite", rule.metric);
    }
    BITLOSS_TRY(rule.suite, ReadText(*node, "suite", place));
  }
  return rule;
}

}  // namespace

Result<GatePolicy> ParseGatePolicy(std::string_view toml_text, std::string_view path) {
  const Place file{path, 1};
  const toml::parse_result parsed = toml::parse(toml_text);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return Bad({path, static_cast<uint32_t>(error.source().begin.line)}, "not TOML: {}",
               error.description());
  }
  const toml::table& table = parsed.table();
  BITLOSS_DO(CheckKeys(table, {"confidence", "rule"}, file));
  double confidence = 0.95;
  if (const toml::node* node = table.get("confidence")) {
    BITLOSS_TRY(confidence, ReadConfidence(*node, file));
  }
  GatePolicy policy;
  const toml::node* rules = table.get("rule");
  if (rules != nullptr && !rules->is_array_of_tables()) {
    return Bad(At(*rules, file), "rules are written [[rule]]");
  }
  if (rules != nullptr) {
    for (const toml::node& rule : *rules->as_array()) {
      BITLOSS_TRY(GateRule read, ReadRule(*rule.as_table(), confidence, file));
      policy.rules.push_back(std::move(read));
    }
  }
  if (policy.rules.empty()) return Bad(file, "the policy has no rule; begin one with [[rule]]");
  return policy;
}

}  // namespace bitloss

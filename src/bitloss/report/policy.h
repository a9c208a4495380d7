// What must hold before a quantized model ships: rules in TOML.
//
//   confidence = 0.95              # of each one-sided bound; optional
//
//   [[rule]]
//   metric = "delta_nll"           # docs/gate.md lists them
//   at_most = 0.05                 # or at_least, whichever way the metric's harm goes
//   lanes = ["int8", "nf4"]        # optional: every lane but the baseline and controls
//   protocol = "lines-512-seed"    # optional: every protocol (every suite: suite = "core96")
#ifndef BITLOSS_REPORT_POLICY_H_
#define BITLOSS_REPORT_POLICY_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"

namespace bitloss {

struct GateRule {
  std::string metric;  // one of GateMetrics()
  double bound = 0.0;
  std::vector<std::string> lanes;       // empty: all that are tested
  std::optional<std::string> protocol;  // none: all
  std::optional<std::string> suite;     // none: all
  double confidence = 0.95;             // one-sided
};

struct GatePolicy {
  std::vector<GateRule> rules;
};

// kBadInput names `path`, the line and what is possible there: text that is not TOML, an unknown
// key or metric, a bound on the wrong side, a policy without a rule.
Result<GatePolicy> ParseGatePolicy(std::string_view toml, std::string_view path);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_POLICY_H_

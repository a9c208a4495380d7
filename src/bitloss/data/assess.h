// What a prompt's checks say of an answer.
#ifndef BITLOSS_DATA_ASSESS_H_
#define BITLOSS_DATA_ASSESS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/data/suite.h"

namespace bitloss {

struct CheckOutcome {
  std::string id;
  bool passed = false;
  std::string evidence;
};

// passed: every required check passed. This is what "success" means in a report.
// score:  sum of the weights of the passed checks over the sum of all weights, in [0, 1]; if all
//         weights are 0, 1 for a pass and 0 otherwise.
struct Assessment {
  bool passed = false;
  double score = 0.0;
  std::vector<CheckOutcome> checks;  // in the order of the prompt's
};

// None for a prompt without checks. Checks look at the first 64 KiB of the answer. A check whose
// scope is not in the answer (no fence, no marker) has not passed, negated or not.
std::optional<Assessment> Assess(const Prompt& prompt, std::string_view answer);

}  // namespace bitloss

#endif  // BITLOSS_DATA_ASSESS_H_

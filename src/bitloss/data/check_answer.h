// What a prompt's checks say of an answer.
#ifndef BITLOSS_DATA_CHECK_ANSWER_H_
#define BITLOSS_DATA_CHECK_ANSWER_H_

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
struct PromptResult {
  bool passed = false;
  double score = 0.0;
  std::vector<CheckOutcome> checks;  // in the order of the prompt's
};

// Checks look at the first 64 KiB of the answer. A check whose scope is not in the answer (no
// fence, no marker) has not passed, negated or not. Requires: the prompt has checks; one without is
// not judged.
PromptResult CheckAnswer(const SuitePrompt& prompt, std::string_view answer);

// [{"id": "value", "passed": true, "evidence": "read 36"}, ...] on one line, for storing. Bytes of
// the answer that are not UTF-8 appear as U+FFFD.
std::string EvidenceJson(const PromptResult& result);

}  // namespace bitloss

#endif  // BITLOSS_DATA_CHECK_ANSWER_H_

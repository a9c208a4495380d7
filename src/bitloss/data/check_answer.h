// What a prompt's checks say of an answer.
#ifndef BITLOSS_DATA_CHECK_ANSWER_H_
#define BITLOSS_DATA_CHECK_ANSWER_H_

#include <string>
#include <string_view>
#include <vector>

#include "bitloss/data/suite.h"

namespace bitloss {

struct JudgedCheck {
  std::string id;
  CheckOutcome outcome = CheckOutcome::kFail;
  std::string evidence;
};

// outcome: kPass if every required check passed ("success" in a report), kFail if one failed, else
//          kUndecided.
// score:   sum of the weights of the passed checks over the sum of all that were decided, in
//          [0, 1]; if that is 0, 1 for a pass and 0 otherwise.
struct PromptResult {
  CheckOutcome outcome = CheckOutcome::kFail;
  double score = 0.0;
  std::vector<JudgedCheck> checks;  // in the order of the prompt's

  bool passed() const { return outcome == CheckOutcome::kPass; }
};

// Checks look at the first 64 KiB of the answer, without the prompt where the answer begins by
// repeating it; an answer that is the prompt over again, or its beginning, fails all of them. A check whose scope is not in the answer (no
// fence, no marker) has failed, negated or not; what is undecided is so negated too. Requires: the
// prompt has checks; one without is not judged.
PromptResult CheckAnswer(const SuitePrompt& prompt, std::string_view answer);

// [{"id": "value", "outcome": "pass", "passed": true, "evidence": "read 36"}, ...] on one line, for
// storing. Bytes of the answer that are not UTF-8 appear as U+FFFD.
std::string EvidenceJson(const PromptResult& result);

}  // namespace bitloss

#endif  // BITLOSS_DATA_CHECK_ANSWER_H_

// Machine checks of an answer: types as values in a closed list, compiled once when a suite is
// loaded, then asked of any number of answers.
//
// Answers are written by a model and are not trusted: patterns run with limits, JSON is parsed
// strictly, nothing is executed. A check never fails to answer; what it cannot decide (a pattern
// that hit its limit, code that is not understood) is undecided, and its evidence says why.
#ifndef BITLOSS_DATA_CHECKS_CHECK_H_
#define BITLOSS_DATA_CHECKS_CHECK_H_

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "bitloss/base/result.h"
#include "bitloss/json/fields.h"

namespace bitloss {

// What a check looks at.
struct AnswerView {
  std::string_view scoped;  // the part of the answer that the check's scope selects
  std::string_view prompt;  // what was asked; `max_copy` compares with it
};

// What a check makes of an answer. Undecided: neither can be said without running or understanding
// the answer; it counts neither as passed nor as lost.
enum class CheckOutcome { kFail, kPass, kUndecided };

// "fail", "pass", "undecided".
std::string_view Name(CheckOutcome outcome);

struct Judged {
  CheckOutcome outcome = CheckOutcome::kFail;
  std::string evidence;  // what was found, as short as it can be; one line

  bool passed() const { return outcome == CheckOutcome::kPass; }
};

// Passed where `holds`, failed where not.
inline Judged Decide(bool holds, std::string evidence) {
  return {holds ? CheckOutcome::kPass : CheckOutcome::kFail, std::move(evidence)};
}
inline Judged Undecided(std::string why) { return {CheckOutcome::kUndecided, std::move(why)}; }

using CheckFunction = std::function<Judged(const AnswerView&)>;

// Whether passing says that the answer is right, or only that it has the form asked for.
enum class CheckKind { kContent, kForm };

struct CheckType {
  std::string_view name;
  CheckKind kind;

  // Reads the type's own fields (suites/README.md lists them) and returns the judge.
  // kBadInput with the field's JSON pointer.
  Result<CheckFunction> (*compile)(Fields& fields);
};

// All of them, in the order of the documentation.
std::span<const CheckType> CheckTypes();

// Null if there is none of that name.
const CheckType* FindCheckType(std::string_view name);

}  // namespace bitloss

#endif  // BITLOSS_DATA_CHECKS_CHECK_H_

// Machine checks of an answer: types as values in a closed list, compiled once when a suite is
// loaded, then asked of any number of answers.
//
// Answers are written by a model and are not trusted: patterns run with limits, JSON is parsed
// strictly, nothing is executed. A check never fails to answer; what it could not decide (a pattern
// that hit its limit, a marker that is not there) has not passed, and its evidence says why.
#ifndef BITLOSS_DATA_CHECKS_CHECK_H_
#define BITLOSS_DATA_CHECKS_CHECK_H_

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "bitloss/base/result.h"
#include "bitloss/data/checks/fields.h"

namespace bitloss {

// What a check looks at.
struct AnswerView {
  std::string_view scoped;  // the part of the answer that the check's scope selects
  std::string_view prompt;  // what was asked; `max_copy` compares with it
};

struct Verdict {
  bool passed = false;
  std::string evidence;  // what was found, as short as it can be; one line
};

using Judge = std::function<Verdict(const AnswerView&)>;

// Whether passing says that the answer is right, or only that it has the form asked for.
enum class CheckKind { kContent, kForm };

struct CheckType {
  std::string_view name;
  CheckKind kind;

  // Reads the type's own fields (suites/README.md lists them) and returns the judge.
  // kBadInput with the field's JSON pointer.
  Result<Judge> (*compile)(Fields& fields);
};

// All of them, in the order of the documentation.
std::span<const CheckType> CheckTypes();

// Null if there is none of that name.
const CheckType* FindCheckType(std::string_view name);

}  // namespace bitloss

#endif  // BITLOSS_DATA_CHECKS_CHECK_H_

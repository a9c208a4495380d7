#include "bitloss/templates/value_tests.h"

#include <algorithm>

#include "bitloss/templates/compare.h"
#include "bitloss/templates/filters.h"
#include "bitloss/templates/operators.h"
#include "bitloss/templates/print.h"
#include "bitloss/templates/text.h"

namespace bitloss::templates {
namespace {

struct Question {
  const Value& value;
  const Value* other;  // null where the test takes no argument
  Meter& meter;
};

template <Kind kKind>
bool IsKind(const Question& q) {
  return q.value.Is(kKind);
}

bool IsDefined(const Question& q) { return !q.value.Is(Kind::kUndefined); }
bool IsBoolean(const Question& q) { return q.value.Is(Kind::kBool); }
bool IsTrue(const Question& q) { return q.value.Is(Kind::kBool) && q.value.AsBool(); }
bool IsFalse(const Question& q) { return q.value.Is(Kind::kBool) && !q.value.AsBool(); }
bool IsInteger(const Question& q) { return q.value.Is(Kind::kInt) || q.value.Is(Kind::kBigInt); }
bool IsNumber(const Question& q) { return q.value.IsNumber() || q.value.Is(Kind::kBigInt); }
bool IsCallable(const Question& q) { return q.value.IsCallable(); }
bool IsEscaped(const Question& q) { return q.value.safe(); }

bool IsSequence(const Question& q) {
  return q.value.Is(Kind::kString) || q.value.IsSequence() || q.value.Is(Kind::kDict) ||
         q.value.Is(Kind::kRange) || q.value.Is(Kind::kUndefined);
}
bool IsIterable(const Question& q) {
  return IsSequence(q) || q.value.Is(Kind::kView) || q.value.Is(Kind::kLazy) ||
         q.value.Is(Kind::kLoop);
}

int64_t Remainder(const Question& q, const Value& by) {
  return Truth(Binary("%", q.value, by, q.meter)) ? 1 : 0;
}
bool IsOdd(const Question& q) {
  return Equal(Binary("%", q.value, Value::Int(2), q.meter), Value::Int(1), q.meter);
}
bool IsEven(const Question& q) { return Remainder(q, Value::Int(2)) == 0; }
bool IsDivisibleBy(const Question& q) { return Remainder(q, *q.other) == 0; }

bool IsLowerCase(const Question& q) { return IsLower(Str(q.value, q.meter)); }
bool IsUpperCase(const Question& q) { return IsUpper(Str(q.value, q.meter)); }

bool Equals(const Question& q) { return Equal(q.value, *q.other, q.meter); }
bool Differs(const Question& q) { return !Equal(q.value, *q.other, q.meter); }
bool IsLess(const Question& q) { return Ordered("<", q.value, *q.other, q.meter); }
bool IsAtMost(const Question& q) { return Ordered("<=", q.value, *q.other, q.meter); }
bool IsGreater(const Question& q) { return Ordered(">", q.value, *q.other, q.meter); }
bool IsAtLeast(const Question& q) { return Ordered(">=", q.value, *q.other, q.meter); }
bool IsIn(const Question& q) { return Contains(*q.other, q.value, q.meter); }

// Values of Python that are one object: None, the booleans, and what was not copied.
bool IsSame(const Question& q) {
  if (q.value.kind() != q.other->kind()) return false;
  if (q.value.Is(Kind::kNone) || q.value.Is(Kind::kBool)) {
    return Equal(q.value, *q.other, q.meter);
  }
  if (q.value.IsNumber()) Refuse("'sameas' of numbers depends on the Python that runs it");
  return q.value.identity() == q.other->identity();
}

bool NamesFilter(const Question& q) {
  return q.value.Is(Kind::kString) && IsFilter(q.value.AsText());
}
bool NamesTest(const Question& q) { return q.value.Is(Kind::kString) && IsTest(q.value.AsText()); }

bool IsUndefined(const Question& q) { return q.value.Is(Kind::kUndefined); }

struct TestEntry {
  std::string_view name;
  size_t num_arguments;
  bool (*ask)(const Question&);
};

constexpr TestEntry kTests[] = {
    {"defined", 0, IsDefined},
    {"undefined", 0, IsUndefined},
    {"none", 0, IsKind<Kind::kNone>},
    {"string", 0, IsKind<Kind::kString>},
    {"mapping", 0, IsKind<Kind::kDict>},
    {"iterable", 0, IsIterable},
    {"sequence", 0, IsSequence},
    {"number", 0, IsNumber},
    {"integer", 0, IsInteger},
    {"float", 0, IsKind<Kind::kFloat>},
    {"boolean", 0, IsBoolean},
    {"true", 0, IsTrue},
    {"false", 0, IsFalse},
    {"callable", 0, IsCallable},
    {"odd", 0, IsOdd},
    {"even", 0, IsEven},
    {"divisibleby", 1, IsDivisibleBy},
    {"lower", 0, IsLowerCase},
    {"upper", 0, IsUpperCase},
    {"escaped", 0, IsEscaped},
    {"filter", 0, NamesFilter},
    {"test", 0, NamesTest},
    {"sameas", 1, IsSame},
    {"in", 1, IsIn},
    {"eq", 1, Equals},
    {"equalto", 1, Equals},
    {"==", 1, Equals},
    {"ne", 1, Differs},
    {"!=", 1, Differs},
    {"lt", 1, IsLess},
    {"lessthan", 1, IsLess},
    {"<", 1, IsLess},
    {"le", 1, IsAtMost},
    {"<=", 1, IsAtMost},
    {"gt", 1, IsGreater},
    {"greaterthan", 1, IsGreater},
    {">", 1, IsGreater},
    {"ge", 1, IsAtLeast},
    {">=", 1, IsAtLeast},
};

const TestEntry* Find(std::string_view name) {
  const auto found = std::find_if(std::begin(kTests), std::end(kTests),
                                  [&](const TestEntry& entry) { return entry.name == name; });
  return found == std::end(kTests) ? nullptr : found;
}

}  // namespace

bool IsTest(std::string_view name) { return Find(name) != nullptr; }

bool ApplyTest(std::string_view name, const Value& value, const Arguments& arguments,
               Meter& meter) {
  const TestEntry* test = Find(name);
  if (test == nullptr) Refuse("no test named '{}'", name);
  meter.Step();
  const Bound bound(name, test->num_arguments == 1 ? "other" : "", test->num_arguments, arguments);
  return test->ask({value, test->num_arguments == 1 ? &bound[0] : nullptr, meter});
}

}  // namespace bitloss::templates

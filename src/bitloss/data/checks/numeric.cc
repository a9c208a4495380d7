// numeric: the answer's number is within abs_tol + rel_tol * |gold| of the gold.
//
// `where`: "final" (default) takes the number in the last \boxed{}, else that of the line after the
// last marker, else that of the whole; "after_marker" insists on the marker; "anywhere" is
// satisfied if any number fits, which is lenient. What is negated ("not 4") is never taken. The
// number of a text is the one after its last "=", or before it if the right side is no single
// number; without
// "=", what stands in brackets and what the prompt gave come last.
#include <algorithm>
#include <cmath>

#include "bitloss/data/checks/answer_text.h"
#include "bitloss/data/checks/list.h"
#include "bitloss/data/checks/mentions.h"
#include "bitloss/data/checks/numbers.h"

namespace bitloss {
namespace {

enum class Where { kFinal, kAfterMarker, kAnywhere };

struct Options {
  double gold = 0.0;
  double abs_tol = 0.0;
  double rel_tol = 0.0;
  Where where = Where::kFinal;
  std::string marker;

  bool Accepts(double value) const {
    return std::abs(value - gold) <= abs_tol + rel_tol * std::abs(gold);
  }
};

// The text after the last `marker`, whatever its case; none if it is not there.
std::optional<std::string_view> AfterLast(std::string_view text, std::string_view marker) {
  const size_t at = LowerAscii(text).rfind(LowerAscii(marker));
  if (at == std::string_view::npos) return std::nullopt;
  return text.substr(at + marker.size());
}

using Numbers = std::vector<WrittenNumber>;

// The numbers that are asserted.
Numbers AssertedNumbers(std::string_view text) {
  Numbers numbers = FindNumbers(text);
  const std::string folded = LowerAscii(text);
  std::erase_if(numbers, [&](const auto& number) { return IsNegatedAt(folded, number.begin); });
  return numbers;
}

bool IsInBrackets(std::string_view text, size_t at) {
  const std::string_view before = text.substr(0, at);
  return std::ranges::count(before, '(') > std::ranges::count(before, ')');
}

// "42 or 43", "43, or 42", "40 to 44": two answers are none. The end of "from 6 to 42" is one.
bool IsOneOfTwo(std::string_view text, const WrittenNumber& number) {
  const Numbers numbers = FindNumbers(text);
  for (size_t i = 1; i < numbers.size(); ++i) {
    const size_t begin = numbers[i - 1].end;
    std::string_view joint = Trim(text.substr(begin, numbers[i].begin - begin));
    if (joint.starts_with(',')) joint = Trim(joint.substr(1));
    const bool first = number.begin == numbers[i - 1].begin;
    const bool second = number.begin == numbers[i].begin;
    if (joint == "or" && (first || second)) return true;
    if (joint == "to" && first) return true;
  }
  return false;
}

enum class Take { kFirst, kLast };

std::optional<WrittenNumber> OneOf(const Numbers& numbers, Take take) {
  if (numbers.empty()) return std::nullopt;
  return take == Take::kFirst ? numbers.front() : numbers.back();
}

// The number that `text` comes to.
std::optional<WrittenNumber> NumberOf(std::string_view text, std::string_view prompt, Take take,
                                      const Options& options) {
  Numbers numbers = AssertedNumbers(text);
  const Numbers all = numbers;
  std::erase_if(numbers, [&](const auto& n) { return IsInBrackets(text, n.begin); });
  if (numbers.empty()) return OneOf(all, take);
  const size_t equals = text.rfind('=');
  if (equals != std::string_view::npos && !IsInBrackets(text, equals)) {
    Numbers right = numbers;
    std::erase_if(right, [&](const auto& n) { return n.begin < equals; });
    std::erase_if(numbers, [&](const auto& n) { return n.begin > equals; });
    const bool reversed = right.size() > 1 && numbers.size() == 1;
    if (!right.empty() && !reversed) return right.front();
    return OneOf(numbers, take);
  }
  const Numbers given = FindNumbers(prompt);
  const auto is_given = [&](double value) {
    return std::ranges::find(given, value, &WrittenNumber::value) != given.end();
  };
  Numbers fresh = numbers;
  std::erase_if(fresh, [&](const auto& n) { return is_given(n.value); });
  if (take == Take::kLast && !fresh.empty() && !is_given(options.gold)) numbers = fresh;
  return OneOf(numbers, take);
}

// The line that begins here, or the next that is not blank.
std::string_view FirstLine(std::string_view text) {
  for (const std::string_view line : NonBlankLines(text)) {
    if (!FindNumbers(line).empty()) return line;
  }
  return text;
}

Judged JudgeNumber(std::string_view text, std::string_view prompt, Take take,
                   const Options& options) {
  const std::optional<WrittenNumber> number = NumberOf(text, prompt, take, options);
  if (number && IsOneOfTwo(text, *number)) return Decide(false, "one of several numbers");
  std::optional<double> value;
  if (number) {
    value = number->value;
  } else if (FindNumbers(text).empty()) {
    value = FindNumberInWords(text);
  }
  if (!value) return Decide(false, "no number");
  return Decide(options.Accepts(*value), fmt::format("read {}", *value));
}

Judged JudgeFinal(const AnswerView& answer, const Options& options) {
  const std::string_view text = answer.scoped;
  if (const auto boxed = AfterLast(text, "\\boxed{")) {
    const std::string_view line = boxed->substr(0, boxed->find('\n'));
    if (!FindNumbers(line).empty()) return JudgeNumber(line, {}, Take::kFirst, options);
  }
  if (const auto marked = AfterLast(text, options.marker)) {
    const std::string_view line = FirstLine(*marked);
    if (!FindNumbers(line).empty()) return JudgeNumber(line, {}, Take::kFirst, options);
  }
  return JudgeNumber(text, answer.prompt, Take::kLast, options);
}

Judged JudgeAnywhere(std::string_view text, const Options& options) {
  for (const WrittenNumber& number : AssertedNumbers(text)) {
    if (options.Accepts(number.value)) {
      return Decide(
          true,
          fmt::format("found {}", Excerpt(text.substr(number.begin, number.end - number.begin))));
    }
  }
  return Decide(false, fmt::format("no number is {}", options.gold));
}

}  // namespace

Result<CheckFunction> CompileNumeric(Fields& fields) {
  constexpr std::string_view kWhere[] = {"final", "after_marker", "anywhere"};
  Options options;
  BITLOSS_TRY(options.gold, fields.Number("gold"));
  BITLOSS_TRY(options.abs_tol, fields.NumberOr("abs_tol", 0.0));
  BITLOSS_TRY(options.rel_tol, fields.NumberOr("rel_tol", 0.0));
  BITLOSS_TRY(const size_t where, fields.OneOf("where", kWhere, 0));
  BITLOSS_TRY(options.marker, fields.StringOr("marker", "Answer:"));
  options.where = static_cast<Where>(where);
  if (!(options.abs_tol >= 0.0)) return fields.Bad("abs_tol", "must not be negative");
  if (!(options.rel_tol >= 0.0)) return fields.Bad("rel_tol", "must not be negative");
  if (options.marker.empty()) return fields.Bad("marker", "must not be empty");
  return CheckFunction([options](const AnswerView& answer) -> Judged {
    if (options.where == Where::kAnywhere) return JudgeAnywhere(answer.scoped, options);
    if (options.where == Where::kFinal) return JudgeFinal(answer, options);
    const auto marked = AfterLast(answer.scoped, options.marker);
    if (!marked) return Decide(false, "no '" + Excerpt(options.marker) + "'");
    return JudgeNumber(FirstLine(*marked), {}, Take::kFirst, options);
  });
}

}  // namespace bitloss

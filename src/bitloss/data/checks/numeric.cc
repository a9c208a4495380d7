// numeric: the answer's number is within abs_tol + rel_tol * |gold| of the gold.
//
// `where`: "final" (default) takes the number in the last \boxed{}, else the first one after the
// last marker, else the last number of all; "after_marker" insists on the marker; "anywhere" is
// satisfied if any number fits, which is lenient.
#include <cmath>

#include "bitloss/data/checks/answer_text.h"
#include "bitloss/data/checks/list.h"
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
  const auto lower = [](std::string_view s) {
    std::string out(s);
    for (char& c : out) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
  };
  const size_t at = lower(text).rfind(lower(marker));
  if (at == std::string_view::npos) return std::nullopt;
  return text.substr(at + marker.size());
}

std::optional<double> FirstNumber(std::string_view text) {
  const std::vector<WrittenNumber> numbers = FindNumbers(text);
  if (numbers.empty()) return std::nullopt;
  return numbers.front().value;
}

std::optional<double> FinalNumber(std::string_view text, const Options& options) {
  if (const auto boxed = AfterLast(text, "\\boxed{")) {
    if (const auto value = FirstNumber(boxed->substr(0, boxed->find('\n')))) return value;
  }
  if (const auto marked = AfterLast(text, options.marker)) {
    if (const auto value = FirstNumber(*marked)) return value;
  }
  const std::vector<WrittenNumber> numbers = FindNumbers(text);
  if (numbers.empty()) return std::nullopt;
  return numbers.back().value;
}

Judged JudgeAnywhere(std::string_view text, const Options& options) {
  for (const WrittenNumber& number : FindNumbers(text)) {
    if (options.Accepts(number.value)) {
      return Decide(
          true,
          fmt::format("found {}", Excerpt(text.substr(number.begin, number.end - number.begin))));
    }
  }
  return Decide(false, fmt::format("no number is {}", options.gold));
}

Judged JudgeNumber(std::optional<double> value, const Options& options) {
  if (!value) return Decide(false, "no number");
  return Decide(options.Accepts(*value), fmt::format("read {}", *value));
}

}  // namespace

Result<Judge> CompileNumeric(Fields& fields) {
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
  return Judge([options](const AnswerView& answer) -> Judged {
    if (options.where == Where::kAnywhere) return JudgeAnywhere(answer.scoped, options);
    if (options.where == Where::kFinal) {
      return JudgeNumber(FinalNumber(answer.scoped, options), options);
    }
    const auto marked = AfterLast(answer.scoped, options.marker);
    if (!marked) return Decide(false, "no '" + Excerpt(options.marker) + "'");
    return JudgeNumber(FirstNumber(*marked), options);
  });
}

}  // namespace bitloss

// regex: the pattern occurs in the answer.
#include "bitloss/data/checks/answer_text.h"
#include "bitloss/data/checks/bounded_regex.h"
#include "bitloss/data/checks/list.h"

namespace bitloss {

Result<CheckFunction> CompileRegex(Fields& fields) {
  BITLOSS_TRY(const std::string pattern, fields.String("pattern"));
  Result<BoundedRegex> regex = BoundedRegex::Compile(pattern);
  if (!regex.ok()) return fields.Bad("pattern", regex.error().message);
  return CheckFunction([compiled = regex.value()](const AnswerView& answer) -> Judged {
    const BoundedRegex::Found found = compiled.Search(answer.scoped);
    switch (found.outcome) {
      case BoundedRegex::Outcome::kFound:
        return Decide(true, "matched: " + Excerpt(answer.scoped.substr(found.begin,
                                                                       found.end - found.begin)));
      case BoundedRegex::Outcome::kNotFound:
        return Decide(false, "no match");
      case BoundedRegex::Outcome::kGaveUp:
        break;
    }
    return Undecided("gave up: the pattern needs too many steps on this text");
  });
}

}  // namespace bitloss

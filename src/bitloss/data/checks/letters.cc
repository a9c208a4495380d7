// case, script: what the answer's letters are.
#include <utf8proc.h>

#include "bitloss/data/checks/answer_text.h"
#include "bitloss/data/checks/bounded_regex.h"
#include "bitloss/data/checks/list.h"

namespace bitloss {
namespace {

enum class Case { kUpper, kLower, kTitle };

// Whether a letter at the start (or not) of a word has the case asked for.
bool Fits(int32_t letter, bool first, Case wanted) {
  const bool upper = utf8proc_tolower(letter) != letter;
  const bool lower = utf8proc_toupper(letter) != letter;
  if (wanted == Case::kUpper) return !lower;
  if (wanted == Case::kLower) return !upper;
  return !first || !lower;
}

Judged JudgeCase(std::string_view text, Case wanted) {
  size_t letters = 0;
  for (const std::string_view word : Words(text)) {
    bool first = true;
    for (const CodePoint& c : CodePoints(word)) {
      if (utf8proc_tolower(c.value) == utf8proc_toupper(c.value)) continue;
      ++letters;
      if (!Fits(c.value, first, wanted)) return Decide(false, "not so: " + Excerpt(word));
      first = false;
    }
  }
  return Decide(letters > 0, letters > 0 ? fmt::format("{} letters", letters) : "no letters");
}

// Non-overlapping matches. A pattern for one letter never gives up.
size_t CountMatches(const BoundedRegex& regex, std::string_view text) {
  size_t count = 0;
  for (size_t from = 0; from < text.size();) {
    const BoundedRegex::Found found = regex.Search(text, from);
    if (found.outcome != BoundedRegex::Outcome::kFound) break;
    ++count;
    from = found.end;
  }
  return count;
}

}  // namespace

// `mode`: "upper", "lower", or "title" (each word begins with a capital). There has to be a letter.
Result<CheckFunction> CompileCase(Fields& fields) {
  constexpr std::string_view kModes[] = {"upper", "lower", "title"};
  BITLOSS_TRY(const std::string named, fields.String("mode"));
  BITLOSS_TRY(const size_t mode, fields.OneOf("mode", kModes, 0));
  return CheckFunction([mode](const AnswerView& answer) -> Judged {
    return JudgeCase(answer.scoped, static_cast<Case>(mode));
  });
}

// `scripts`: Unicode script names ("Latin", "Han"); at least `min_share` (default 0.9) of the
// letters belong to one of them. There has to be a letter.
Result<CheckFunction> CompileScript(Fields& fields) {
  BITLOSS_TRY(const std::vector<std::string> scripts, fields.Strings("scripts"));
  BITLOSS_TRY(const double min_share, fields.NumberOr("min_share", 0.9));
  if (!(min_share > 0.0 && min_share <= 1.0)) return fields.Bad("min_share", "must be in (0, 1]");
  std::string classes;
  for (const std::string& script : scripts) classes += "\\p{" + script + "}";
  Result<BoundedRegex> wanted = BoundedRegex::Compile("(?=\\p{L})[" + classes + "]");
  if (!wanted.ok()) return fields.Bad("scripts", "a name that is not a Unicode script");
  const Result<BoundedRegex> any = BoundedRegex::Compile("\\p{L}");
  BITLOSS_CHECK(any.ok());
  return CheckFunction([inside = wanted.value(), letter = any.value(),
                        min_share](const AnswerView& answer) -> Judged {
    const size_t letters = CountMatches(letter, answer.scoped);
    if (letters == 0) return Decide(false, "no letters");
    const size_t found = CountMatches(inside, answer.scoped);
    const double share = static_cast<double>(found) / static_cast<double>(letters);
    return Decide(share >= min_share, fmt::format("{} of {} letters", found, letters));
  });
}

}  // namespace bitloss

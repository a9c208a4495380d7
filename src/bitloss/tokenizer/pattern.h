// Regular expressions as tokenizer files mean them (Oniguruma, Ruby syntax, Unicode), run by PCRE2
// with its just-in-time compiler.
//
// The two dialects are close but not equal, so a pattern is translated (\s and \d become Unicode's
// White_Space and Nd: PCRE2's own \s has U+180E besides; ^ and $ stand at lines) and whatever the
// two might read differently is refused by name. A match that takes too many steps is an error, not
// a hang.
#ifndef BITLOSS_TOKENIZER_PATTERN_H_
#define BITLOSS_TOKENIZER_PATTERN_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "bitloss/base/result.h"

namespace bitloss {

// A compiled pattern; immutable, shared by copies, thread-safe.
class Pattern {
 public:
  struct Range {
    size_t begin;
    size_t end;
  };

  // What a thread needs to run patterns, any number, one after the other.
  class Scratch {
   public:
    Scratch();

   private:
    friend class Pattern;
    std::shared_ptr<void> match_data_;
  };

  // kUnsupported, with the construct's name, for what is not read the same way by both engines;
  // kBadInput if it is no regular expression.
  static Result<Pattern> Compile(std::string_view ruby);

  // In PCRE2's own syntax; for patterns of this project.
  static Result<Pattern> CompilePcre2(const std::string& pcre2);

  // Matches exactly `text`.
  static Result<Pattern> CompileLiteral(std::string_view text);

  // The leftmost match in `text` that begins at `from` or later, none if there is none. What is
  // before `from` is seen by lookbehind, nothing outside `text` is. kBadInput if the match limit is
  // reached. Requires: valid UTF-8, `from` at a character.
  Result<std::optional<Range>> Find(std::string_view text, size_t from, Scratch& scratch) const;

  class Matches;

  // Whether a match may be empty.
  bool MayMatchNothing() const;

  // The source, as given.
  const std::string& source() const { return source_; }

 private:
  Pattern() = default;

  std::string source_;
  std::shared_ptr<void> code_;           // pcre2_code
  std::shared_ptr<void> match_context_;  // pcre2_match_context
};

// The matches in a text from left to right, as Oniguruma's iterator gives them: each is looked for
// from the end of the one before; an empty one right behind a match is none, and the search goes on
// a character later. All three must outlive it.
class Pattern::Matches {
 public:
  Matches(const Pattern& pattern, std::string_view text, Scratch& scratch)
      : pattern_(pattern), text_(text), scratch_(scratch) {}

  // The next one; none after the last. kBadInput as Find.
  Result<std::optional<Range>> Next();

 private:
  const Pattern& pattern_;
  std::string_view text_;
  Scratch& scratch_;
  size_t from_ = 0;
  std::optional<size_t> last_end_;  // of a match
};

// `ruby` in PCRE2's syntax. Errors as Pattern::Compile.
Result<std::string> TranslatePattern(std::string_view ruby);

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_PATTERN_H_

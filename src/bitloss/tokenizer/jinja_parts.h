// A Jinja template cut into its parts, in a spelling in which equal programs look equal: white
// space inside and around tags, quotes, `a['b']` for `a.b`, sums of strings and comments make no
// difference. Nothing is run.
#ifndef BITLOSS_TOKENIZER_JINJA_PARTS_H_
#define BITLOSS_TOKENIZER_JINJA_PARTS_H_

#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"

namespace bitloss {

struct JinjaPart {
  enum class Kind {
    kText,       // printed as it is; never empty, never two in a row
    kOutput,     // {{ expression }}; a sum is one part for each term
    kStatement,  // {% ... %}
  };
  Kind kind;
  std::string content;  // the text, or the words of the expression or statement

  bool operator==(const JinjaPart&) const = default;
};

// As transformers sets Jinja up: trim_blocks, lstrip_blocks, no trailing newline. kUnsupported for
// what is not understood (an unfinished tag, an escape sequence other than the usual ones).
Result<std::vector<JinjaPart>> CutJinja(std::string_view source);

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_JINJA_PARTS_H_

// From source to tokens, with the white-space rules that transformers sets Jinja up with:
// trim_blocks, lstrip_blocks, no trailing newline.
#ifndef BITLOSS_TEMPLATES_LEXER_H_
#define BITLOSS_TEMPLATES_LEXER_H_

#include <string>
#include <string_view>
#include <vector>

#include "bitloss/templates/refusal.h"

namespace bitloss::templates {

struct Token {
  enum class Kind {
    kText,  // printed as it is
    kOutputBegin,
    kOutputEnd,
    kBlockBegin,
    kBlockEnd,
    kName,
    kString,   // its meaning
    kInteger,  // its spelling
    kFloat,    // its spelling, without underscores
    kOperator,
    kEnd,
  };
  Kind kind;
  std::string text;
  Position at;
};

// As messages name it: "'%}'", "'endif'", "the end of the template".
std::string Describe(const Token& token);

// Refuses unclosed tags, comments, strings and brackets, and characters of no token. Requires:
// valid UTF-8. The last token is kEnd.
std::vector<Token> Tokenize(std::string_view source);

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_LEXER_H_

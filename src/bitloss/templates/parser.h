#ifndef BITLOSS_TEMPLATES_PARSER_H_
#define BITLOSS_TEMPLATES_PARSER_H_

#include <string_view>

#include "bitloss/templates/ast.h"

namespace bitloss::templates {

// The whole template. Throws a Refusal with its place. Requires: valid UTF-8.
Body ParseSource(std::string_view source);

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_PARSER_H_

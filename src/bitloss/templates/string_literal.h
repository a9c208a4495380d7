#ifndef BITLOSS_TEMPLATES_STRING_LITERAL_H_
#define BITLOSS_TEMPLATES_STRING_LITERAL_H_

#include <string>
#include <string_view>

#include "bitloss/templates/refusal.h"

namespace bitloss::templates {

// What a string literal means: Python's escapes; an unknown one stays as it is, backslash included.
// `inside` is between the quotes, and a backslash is never its last byte. Refuses truncated escapes
// and surrogates, at `at`.
std::string MeaningOf(std::string_view inside, Position at);

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_STRING_LITERAL_H_

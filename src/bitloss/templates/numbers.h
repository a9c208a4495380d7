// Numbers as Python reads them.
#ifndef BITLOSS_TEMPLATES_NUMBERS_H_
#define BITLOSS_TEMPLATES_NUMBERS_H_

#include <optional>
#include <string_view>

#include "bitloss/templates/value.h"

namespace bitloss::templates {

// float(text), without white space around it; none if it is no number.
std::optional<double> ParseFloat(std::string_view text);

// The value of an integer literal without underscores: 42, 0x1f, 0o17, 0b11. Past 64 bits only
// decimal ones have one.
Value ParseIntegerLiteral(std::string_view text);

// int(text, base), white space around it and underscores allowed; none if it is no integer. Refuses
// integers past 64 bits.
std::optional<int64_t> ParseInteger(std::string_view text, int base);

// The integer in a value. Refuses other kinds: "'float' object cannot be interpreted as an
// integer".
int64_t IntegerOf(const Value& value);

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_NUMBERS_H_

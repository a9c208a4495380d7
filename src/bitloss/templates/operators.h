// Arithmetic, joining and formatting of values, as Python has them.
#ifndef BITLOSS_TEMPLATES_OPERATORS_H_
#define BITLOSS_TEMPLATES_OPERATORS_H_

#include <string_view>
#include <vector>

#include "bitloss/templates/meter.h"
#include "bitloss/templates/value.h"

namespace bitloss::templates {

// One of + - * / // % **. Integers past 64 bits are refused.
Value Binary(std::string_view sign, const Value& a, const Value& b, Meter& meter);

// + or -.
Value Unary(std::string_view sign, const Value& value);

// `~`: the texts of all, one after the other.
Value Concat(const std::vector<Value>& parts, Meter& meter);

// str % value: %s %d %i %f %x %r %% with flags, width and precision; `values` is a tuple, a mapping
// (for %(name)s) or one value.
Value FormatPercent(const Value& format, const Value& values, Meter& meter);

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_OPERATORS_H_

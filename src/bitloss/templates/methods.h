// Methods of strings, mappings, lists and tuples.
#ifndef BITLOSS_TEMPLATES_METHODS_H_
#define BITLOSS_TEMPLATES_METHODS_H_

#include <string_view>

#include "bitloss/templates/arguments.h"
#include "bitloss/templates/meter.h"
#include "bitloss/templates/value.h"

namespace bitloss::templates {

bool HasMethod(const Value& value, std::string_view name);

// Methods that would change the value: `append`, `update`, ...
bool IsForbiddenMethod(const Value& value, std::string_view name);

// Requires: method.self has it, and is no loop.
Value CallMethod(const Method& method, const Arguments& arguments, Meter& meter);

// str.format: {}, {0}, {name}, {0.name}, {0[key]}, and after a colon fill, alignment, width,
// precision and the letters s, d, f, x.
Value FormatBraces(const Value& format, const Arguments& arguments, Meter& meter);

// `text` with blanks or `fill` around it, up to `width` characters.
enum class Align { kLeft, kRight, kCenter };
std::string Pad(std::string_view text, int64_t width, Align align, std::string_view fill,
                Meter& meter);

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_METHODS_H_

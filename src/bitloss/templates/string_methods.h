#ifndef BITLOSS_TEMPLATES_STRING_METHODS_H_
#define BITLOSS_TEMPLATES_STRING_METHODS_H_

#include <string_view>

#include "bitloss/templates/methods.h"

namespace bitloss::templates {

bool IsStringMethod(std::string_view name);

// Requires: method.self is a string, and has it.
Value CallStringMethod(const Method& method, const Arguments& arguments, Meter& meter);

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_STRING_METHODS_H_

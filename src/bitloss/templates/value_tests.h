// The tests of `is`, by name.
#ifndef BITLOSS_TEMPLATES_VALUE_TESTS_H_
#define BITLOSS_TEMPLATES_VALUE_TESTS_H_

#include <string_view>

#include "bitloss/templates/arguments.h"
#include "bitloss/templates/meter.h"

namespace bitloss::templates {

bool IsTest(std::string_view name);

// Refuses an unknown name.
bool ApplyTest(std::string_view name, const Value& value, const Arguments& arguments, Meter& meter);

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_VALUE_TESTS_H_

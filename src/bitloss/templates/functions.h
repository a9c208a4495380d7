// The functions that every template can call, which are ordinary variables.
#ifndef BITLOSS_TEMPLATES_FUNCTIONS_H_
#define BITLOSS_TEMPLATES_FUNCTIONS_H_

#include <string>
#include <string_view>
#include <vector>

#include "bitloss/templates/arguments.h"
#include "bitloss/templates/local_time.h"
#include "bitloss/templates/meter.h"

namespace bitloss::templates {

std::vector<std::string_view> FunctionNames();

// `now` is what strftime_now sees.
Value CallFunction(const Function& function, const Arguments& arguments, const LocalTime& now,
                   Meter& meter);

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_FUNCTIONS_H_

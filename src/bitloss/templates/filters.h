// The filters that templates use, by name. A new one is a function and a line in the list of
// text_filters.cc or sequence_filters.cc.
#ifndef BITLOSS_TEMPLATES_FILTERS_H_
#define BITLOSS_TEMPLATES_FILTERS_H_

#include <span>
#include <string_view>

#include "bitloss/templates/arguments.h"
#include "bitloss/templates/meter.h"
#include "bitloss/templates/value.h"

namespace bitloss::templates {

struct Filter {
  std::string_view name;
  Value (*apply)(const Value& value, const Arguments& arguments, Meter& meter);
};

std::span<const Filter> TextFilters();
std::span<const Filter> SequenceFilters();

bool IsFilter(std::string_view name);

// Refuses an unknown name.
Value ApplyFilter(std::string_view name, const Value& value, const Arguments& arguments,
                  Meter& meter);

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_FILTERS_H_

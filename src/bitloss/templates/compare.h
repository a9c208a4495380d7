// ==, < and `in` of two values, as Python has them.
#ifndef BITLOSS_TEMPLATES_COMPARE_H_
#define BITLOSS_TEMPLATES_COMPARE_H_

#include <vector>

#include "bitloss/templates/meter.h"
#include "bitloss/templates/value.h"

namespace bitloss::templates {

// Never refuses for the types: what cannot be equal is not.
bool Equal(const Value& a, const Value& b, Meter& meter);

// Refuses what has no order.
bool Less(const Value& a, const Value& b, Meter& meter);

// One of < <= > >=; a refusal names it.
bool Ordered(std::string_view sign, const Value& a, const Value& b, Meter& meter);

// `item in container`. Refuses what holds nothing.
bool Contains(const Value& container, const Value& item, Meter& meter);

// What a for loop goes over: the items of a list, the keys of a mapping, the characters of a
// string. Takes what is left of a lazy sequence. Refuses none and numbers.
std::vector<Value> Iterate(const Value& value, Meter& meter);

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_COMPARE_H_

// x.name, x[key] and x[a:b:c].
#ifndef BITLOSS_TEMPLATES_ACCESS_H_
#define BITLOSS_TEMPLATES_ACCESS_H_

#include <optional>
#include <string_view>

#include "bitloss/templates/meter.h"
#include "bitloss/templates/value.h"

namespace bitloss::templates {

// Asks for a method or attribute first, then for the key. What is not there is undefined; of an
// undefined value it is refused.
Value GetAttribute(const Value& value, std::string_view name, Meter& meter);

// Asks for the item or key first, then for the attribute.
Value GetItem(const Value& value, const Value& key, Meter& meter);

// Each bound is an integer or none.
Value GetSlice(const Value& value, const Value& start, const Value& stop, const Value& step,
               Meter& meter);

// The `a.b.0` that map, selectattr and sort take as `attribute`. What is not there, at any step, is
// `fallback` if there is one.
Value GetPath(const Value& value, const Value& path, Meter& meter, const Value* fallback = nullptr);

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_ACCESS_H_

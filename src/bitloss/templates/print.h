// Values as text: Python's str() and repr(), and json.dumps as transformers' tojson calls it.
#ifndef BITLOSS_TEMPLATES_PRINT_H_
#define BITLOSS_TEMPLATES_PRINT_H_

#include <optional>
#include <string>

#include "bitloss/templates/meter.h"
#include "bitloss/templates/value.h"

namespace bitloss::templates {

// What {{ value }} prints: str(value); nothing for undefined. Refuses what Python prints with the
// address of an object.
std::string Str(const Value& value, Meter& meter);

std::string Repr(const Value& value, Meter& meter);

// float.__repr__.
std::string FloatText(double value);

struct JsonOptions {
  bool ensure_ascii = false;
  std::optional<std::string> indent = {};  // of one level; none: all on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
};

// Refuses what JSON has no form for (undefined, ranges, macros, ...).
std::string ToJson(const Value& value, const JsonOptions& options, Meter& meter);

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_PRINT_H_

// The arguments of a call, and how they meet a list of parameters.
#ifndef BITLOSS_TEMPLATES_ARGUMENTS_H_
#define BITLOSS_TEMPLATES_ARGUMENTS_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bitloss/templates/value.h"

namespace bitloss::templates {

struct Arguments {
  std::vector<Value> positional = {};
  std::vector<std::pair<std::string, Value>> named = {};
};

// What each parameter got.
class Bound {
 public:
  // `parameters` are names with blanks between them, the first `num_required` of which must get an
  // argument. Refuses too many, too few and unknown ones: "replace() ...".
  Bound(std::string_view callee, std::string_view parameters, size_t num_required,
        const Arguments& arguments);

  bool Has(size_t i) const { return values_[i].has_value(); }
  // Requires: Has(i).
  const Value& operator[](size_t i) const { return *values_[i]; }
  Value Or(size_t i, Value fallback) const { return values_[i].value_or(std::move(fallback)); }
  bool Flag(size_t i, bool fallback) const;
  int64_t Integer(size_t i, int64_t fallback) const;
  // Refuses what is no string.
  const std::string& Text(size_t i) const;

 private:
  std::string callee_;
  std::vector<std::optional<Value>> values_;
};

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_ARGUMENTS_H_

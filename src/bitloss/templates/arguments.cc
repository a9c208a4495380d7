#include "bitloss/templates/arguments.h"

#include <algorithm>

#include "bitloss/templates/numbers.h"
#include "bitloss/templates/text.h"

namespace bitloss::templates {

Bound::Bound(std::string_view callee, std::string_view parameters, size_t num_required,
             const Arguments& arguments)
    : callee_(callee) {
  const std::vector<std::string_view> names = SplitSpace(parameters, -1, Side::kLeft);
  if (arguments.positional.size() > names.size()) {
    Refuse("{}() takes at most {} arguments, got {}", callee, names.size(),
           arguments.positional.size());
  }
  values_.assign(arguments.positional.begin(), arguments.positional.end());
  values_.resize(names.size());
  for (const auto& [name, value] : arguments.named) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) Refuse("{}() got an unexpected keyword argument '{}'", callee, name);
    std::optional<Value>& slot = values_[static_cast<size_t>(found - names.begin())];
    if (slot) Refuse("{}() got two values for '{}'", callee, name);
    slot = value;
  }
  for (size_t i = 0; i < num_required; ++i) {
    if (!values_[i]) Refuse("{}() misses its argument '{}'", callee, names[i]);
  }
}

bool Bound::Flag(size_t i, bool fallback) const { return Has(i) ? Truth(*values_[i]) : fallback; }

int64_t Bound::Integer(size_t i, int64_t fallback) const {
  return Has(i) ? IntegerOf(*values_[i]) : fallback;
}

const std::string& Bound::Text(size_t i) const {
  const Value& value = *values_[i];
  if (!value.Is(Kind::kString)) {
    RequireDefined(value);
    Refuse("{}() wants a string, not {}", callee_, TypeName(value));
  }
  return value.AsText();
}

}  // namespace bitloss::templates

#ifndef BITLOSS_TEMPLATES_SCOPE_H_
#define BITLOSS_TEMPLATES_SCOPE_H_

#include <memory>
#include <string>
#include <unordered_map>

#include "bitloss/templates/value.h"

namespace bitloss::templates {

// The variables that one pass of a loop, one call of a macro or the whole template has set. Reading
// looks outwards, setting does not.
struct Scope : std::enable_shared_from_this<Scope> {
  std::unordered_map<std::string, Value> variables = {};
  std::shared_ptr<Scope> parent = {};

  // Null if no scope has it.
  const Value* Find(const std::string& name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->parent.get()) {
      const auto found = scope->variables.find(name);
      if (found != scope->variables.end()) return &found->second;
    }
    return nullptr;
  }
};

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_SCOPE_H_

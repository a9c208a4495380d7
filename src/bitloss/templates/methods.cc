#include "bitloss/templates/methods.h"

#include <algorithm>
#include <array>

#include "bitloss/templates/compare.h"
#include "bitloss/templates/print.h"
#include "bitloss/templates/string_methods.h"
#include "bitloss/templates/text.h"

namespace bitloss::templates {
namespace {

template <size_t N>
bool IsIn(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr std::array<std::string_view, 6> kDictMethods = {"get",    "items", "keys",
                                                          "values", "copy",  "fromkeys"};
constexpr std::array<std::string_view, 2> kListMethods = {"index", "count"};
constexpr std::array<std::string_view, 8> kListChanges = {"append", "extend",  "insert", "remove",
                                                          "sort",   "reverse", "clear",  "pop"};
constexpr std::array<std::string_view, 5> kDictChanges = {"clear", "pop", "popitem", "setdefault",
                                                          "update"};

Value CallDict(const Method& method, const Arguments& arguments) {
  const std::string& name = method.name;
  if (name == "get") {
    const Bound bound(name, "key default", 1, arguments);
    const Value* found = method.self.AsDict().Find(bound[0]);
    return found != nullptr ? *found : bound.Or(1, Value::None());
  }
  const Bound none(name, "", 0, arguments);
  if (name == "copy") return method.self;
  if (name == "fromkeys") Refuse("fromkeys() of a mapping is not implemented");
  const auto of = name == "items"  ? View::Of::kItems
                  : name == "keys" ? View::Of::kKeys
                                   : View::Of::kValues;
  return Value::Of(View{of, method.self});
}

Value CallSequence(const Method& method, const Arguments& arguments, Meter& meter) {
  const Bound bound(method.name, "value", 1, arguments);
  int64_t count = 0;
  const std::vector<Value>& items = method.self.Items();
  for (size_t i = 0; i < items.size(); ++i) {
    if (!Equal(items[i], bound[0], meter)) continue;
    if (method.name == "index") return Value::Int(static_cast<int64_t>(i));
    ++count;
  }
  if (method.name == "count") return Value::Int(count);
  Refuse("{} is not in the {}", Repr(bound[0], meter), TypeName(method.self));
}

}  // namespace

bool HasMethod(const Value& value, std::string_view name) {
  if (value.Is(Kind::kString)) return IsStringMethod(name);
  if (value.Is(Kind::kDict)) return IsIn(kDictMethods, name);
  return value.IsSequence() && IsIn(kListMethods, name);
}

bool IsForbiddenMethod(const Value& value, std::string_view name) {
  if (value.Is(Kind::kDict)) return IsIn(kDictChanges, name);
  return value.Is(Kind::kList) && IsIn(kListChanges, name);
}

Value CallMethod(const Method& method, const Arguments& arguments, Meter& meter) {
  if (method.self.Is(Kind::kString)) return CallStringMethod(method, arguments, meter);
  if (method.self.Is(Kind::kDict)) return CallDict(method, arguments);
  return CallSequence(method, arguments, meter);
}

}  // namespace bitloss::templates

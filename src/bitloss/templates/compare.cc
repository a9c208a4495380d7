#include "bitloss/templates/compare.h"

#include <compare>

#include "bitloss/templates/text.h"

namespace bitloss::templates {
namespace {

bool EqualItems(const std::vector<Value>& a, const std::vector<Value>& b, Meter& meter) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!Equal(a[i], b[i], meter)) return false;
  }
  return true;
}

bool EqualDicts(const Dict& a, const Dict& b, Meter& meter) {
  if (a.items().size() != b.items().size()) return false;
  for (const auto& [key, value] : a.items()) {
    const Value* other = b.Find(key);
    if (other == nullptr || !Equal(value, *other, meter)) return false;
  }
  return true;
}

std::partial_ordering CompareNumbers(const Value& a, const Value& b) {
  const bool floats = a.Is(Kind::kFloat) || b.Is(Kind::kFloat);
  if (floats) return a.AsFloat() <=> b.AsFloat();
  return a.AsInt() <=> b.AsInt();
}

// Where two sequences differ first, or how their lengths compare. Requires: both are sequences.
bool OrderedItems(std::string_view sign, const Value& a, const Value& b, Meter& meter) {
  const std::vector<Value>& left = a.Items();
  const std::vector<Value>& right = b.Items();
  for (size_t i = 0; i < left.size() && i < right.size(); ++i) {
    if (!Equal(left[i], right[i], meter)) return Ordered(sign, left[i], right[i], meter);
  }
  return Ordered(sign, Value::Int(static_cast<int64_t>(left.size())),
                 Value::Int(static_cast<int64_t>(right.size())), meter);
}

bool Holds(std::string_view sign, std::partial_ordering order) {
  if (sign == "<") return order < 0;
  if (sign == "<=") return order <= 0;
  if (sign == ">") return order > 0;
  return order >= 0;
}

}  // namespace

bool Equal(const Value& a, const Value& b, Meter& meter) {
  meter.Step();
  if (a.IsNumber() && b.IsNumber()) return CompareNumbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kBigInt:
    case Kind::kString:
      meter.Step(a.AsText().size() / 64);
      return a.AsText() == b.AsText();
    case Kind::kList:
    case Kind::kTuple:
      return EqualItems(a.Items(), b.Items(), meter);
    case Kind::kDict:
      return EqualDicts(a.AsDict(), b.AsDict(), meter);
    case Kind::kRange:
      return EqualItems(Iterate(a, meter), Iterate(b, meter), meter);
    case Kind::kFunction:
      return a.AsFunction().name == b.AsFunction().name;
    default:
      return a.identity() == b.identity();
  }
}

bool Ordered(std::string_view sign, const Value& a, const Value& b, Meter& meter) {
  meter.Step();
  RequireDefined(a);
  RequireDefined(b);
  if (a.IsNumber() && b.IsNumber()) return Holds(sign, CompareNumbers(a, b));
  if (a.Is(Kind::kString) && b.Is(Kind::kString)) {
    meter.Step(a.AsText().size() / 64);
    // The order of UTF-8's bytes is that of its code points.
    return Holds(sign, a.AsText() <=> b.AsText());
  }
  if (a.IsSequence() && a.kind() == b.kind()) return OrderedItems(sign, a, b, meter);
  Refuse("'{}' not supported between instances of '{}' and '{}'", sign, TypeName(a), TypeName(b));
}

bool Less(const Value& a, const Value& b, Meter& meter) { return Ordered("<", a, b, meter); }

bool Contains(const Value& container, const Value& item, Meter& meter) {
  if (container.Is(Kind::kString)) {
    if (!item.Is(Kind::kString)) {
      RequireDefined(item);
      Refuse("'in <string>' requires string as left operand, not {}", TypeName(item));
    }
    meter.Step(container.AsText().size() / 64);
    return container.AsText().find(item.AsText()) != std::string::npos;
  }
  if (container.Is(Kind::kDict)) {
    if (item.Is(Kind::kList) || item.Is(Kind::kDict)) {
      Refuse("unhashable type: '{}'", TypeName(item));
    }
    return container.AsDict().Find(item) != nullptr;
  }
  if (container.Is(Kind::kNone) || container.IsNumber() || container.Is(Kind::kBigInt) ||
      container.Is(Kind::kNamespace)) {
    Refuse("argument of type '{}' is not iterable", TypeName(container));
  }
  for (const Value& other : Iterate(container, meter)) {
    if (Equal(other, item, meter)) return true;
  }
  return false;
}

std::vector<Value> Iterate(const Value& value, Meter& meter) {
  std::vector<Value> items;
  switch (value.kind()) {
    case Kind::kUndefined:
      break;
    case Kind::kString:
      meter.Items(NumCodePoints(value.AsText()));
      for (const std::string_view character : Characters(value.AsText())) {
        items.push_back(Value::StringLike(value, std::string(character)));
      }
      break;
    case Kind::kList:
    case Kind::kTuple:
      meter.Items(value.Items().size());
      items = value.Items();
      break;
    case Kind::kDict:
      meter.Items(value.AsDict().items().size());
      for (const auto& [key, unused] : value.AsDict().items()) items.push_back(key);
      break;
    case Kind::kRange:
      meter.Items(value.AsRange().size());
      for (size_t i = 0; i < value.AsRange().size(); ++i) items.push_back(value.AsRange().At(i));
      break;
    case Kind::kView: {
      const View& view = value.AsView();
      meter.Items(view.dict.AsDict().items().size());
      for (const auto& [key, item] : view.dict.AsDict().items()) {
        items.push_back(view.of == View::Of::kItems  ? Value::Tuple({key, item})
                        : view.of == View::Of::kKeys ? key
                                                     : item);
      }
      break;
    }
    case Kind::kLazy: {
      Lazy& lazy = value.AsLazy();
      meter.Items(lazy.items.size() - lazy.at);
      items.assign(lazy.items.begin() + static_cast<std::ptrdiff_t>(lazy.at), lazy.items.end());
      lazy.at = lazy.items.size();
      break;
    }
    default:
      Refuse("'{}' object is not iterable", TypeName(value));
  }
  return items;
}

}  // namespace bitloss::templates

#include "bitloss/templates/access.h"

#include <algorithm>
#include <array>

#include "bitloss/templates/ast.h"
#include "bitloss/templates/compare.h"
#include "bitloss/templates/methods.h"
#include "bitloss/templates/numbers.h"
#include "bitloss/templates/print.h"
#include "bitloss/templates/text.h"

namespace bitloss::templates {
namespace {

std::string Missing(const Value& value, std::string_view name) {
  return fmt::format("'{}' has no attribute '{}'", ObjectName(value), name);
}

Value LoopAttribute(const Value& value, std::string_view name) {
  const LoopState& loop = value.AsLoop();
  const auto number = [](size_t n) { return Value::Int(static_cast<int64_t>(n)); };
  const size_t size = loop.items.size();
  if (name == "index") return number(loop.index + 1);
  if (name == "index0") return number(loop.index);
  if (name == "revindex") return number(size - loop.index);
  if (name == "revindex0") return number(size - loop.index - 1);
  if (name == "first") return Value::Bool(loop.index == 0);
  if (name == "last") return Value::Bool(loop.index + 1 == size);
  if (name == "length") return number(size);
  if (name == "depth") return number(loop.depth + 1);
  if (name == "depth0") return number(loop.depth);
  if (name == "previtem") {
    return loop.index > 0 ? loop.items[loop.index - 1]
                          : Value::Undefined("there is no previous item");
  }
  if (name == "nextitem") {
    return loop.index + 1 < size ? loop.items[loop.index + 1]
                                 : Value::Undefined("there is no next item");
  }
  if (name == "cycle" || name == "changed") return Value::Of(Method{value, std::string(name)});
  return Value::Undefined(Missing(value, name));
}

Value MacroAttribute(const Value& value, std::string_view name) {
  const MacroStatement& macro = *value.AsMacro().statement;
  if (name == "name") return Value::String(macro.name);
  if (name == "arguments") {
    std::vector<Value> names;
    for (const Parameter& parameter : macro.parameters) {
      names.push_back(Value::String(parameter.name));
    }
    return Value::Tuple(std::move(names));
  }
  return Value::Undefined(Missing(value, name));
}

// A method or attribute; none if the type has no such one.
std::optional<Value> FindAttribute(const Value& value, std::string_view name) {
  if (value.Is(Kind::kLoop)) return LoopAttribute(value, name);
  if (value.Is(Kind::kMacro)) return MacroAttribute(value, name);
  if (value.Is(Kind::kNamespace)) {
    const Value* attribute = value.AsNamespace().attributes.Find(name);
    return attribute != nullptr ? *attribute : Value::Undefined(Missing(value, name));
  }
  if (name.starts_with('_')) return std::nullopt;
  if (value.IsNumber() && name == "real") return value;
  if (IsForbiddenMethod(value, name)) {
    return Value::Undefined(
        fmt::format("access to attribute '{}' of '{}' object is unsafe", name, TypeName(value)));
  }
  if (HasMethod(value, name)) return Value::Of(Method{value, std::string(name)});
  return std::nullopt;
}

// The item at a position that counts from the end if it is negative.
std::optional<size_t> Index(int64_t index, size_t size) {
  if (index < 0) index += static_cast<int64_t>(size);
  if (index < 0 || static_cast<size_t>(index) >= size) return std::nullopt;
  return static_cast<size_t>(index);
}

// The item of a list, string or range; none if `key` is no integer or not in it.
std::optional<Value> ItemAt(const Value& value, const Value& key, Meter& meter) {
  if (!key.Is(Kind::kInt) && !key.Is(Kind::kBool)) return std::nullopt;
  if (value.IsSequence()) {
    const auto index = Index(key.AsInt(), value.Items().size());
    return index ? std::optional(value.Items()[*index]) : std::nullopt;
  }
  if (value.Is(Kind::kRange)) {
    const auto index = Index(key.AsInt(), value.AsRange().size());
    return index ? std::optional(value.AsRange().At(*index)) : std::nullopt;
  }
  if (value.Is(Kind::kString)) {
    meter.Step(value.AsText().size() / 16);
    const auto index = Index(key.AsInt(), NumCodePoints(value.AsText()));
    if (!index) return std::nullopt;
    return Value::StringLike(value, std::string(Characters(value.AsText())[*index]));
  }
  return std::nullopt;
}

struct Bounds {
  int64_t start;
  int64_t stop;
  int64_t step;
};

// As Python clips them.
Bounds Clip(const Value& start, const Value& stop, const Value& step, size_t length) {
  const auto bound = [](const Value& value, int64_t fallback) {
    if (value.Is(Kind::kNone)) return fallback;
    RequireDefined(value);
    if (!value.Is(Kind::kInt) && !value.Is(Kind::kBool)) {
      Refuse("slice indices must be integers or None");
    }
    return value.AsInt();
  };
  const auto size = static_cast<int64_t>(length);
  Bounds bounds{};
  bounds.step = std::clamp<int64_t>(bound(step, 1), -(size + 1), size + 1);
  if (bounds.step == 0) Refuse("slice step cannot be zero");
  const bool backward = bounds.step < 0;
  const auto clip = [&](int64_t at) {
    if (at < 0) at = at < -size ? -1 - size : at;
    if (at < 0) at += size;
    return std::clamp<int64_t>(at, backward ? -1 : 0, backward ? size - 1 : size);
  };
  bounds.start = start.Is(Kind::kNone) ? (backward ? size - 1 : 0) : clip(bound(start, 0));
  bounds.stop = stop.Is(Kind::kNone) ? (backward ? -1 : size) : clip(bound(stop, 0));
  return bounds;
}

template <class Take>
void ForEachIn(const Bounds& bounds, Take take) {
  for (int64_t i = bounds.start; bounds.step > 0 ? i < bounds.stop : i > bounds.stop;
       i += bounds.step) {
    take(static_cast<size_t>(i));
  }
}

}  // namespace

Value GetAttribute(const Value& value, std::string_view name, Meter&) {
  RequireDefined(value);
  if (auto attribute = FindAttribute(value, name)) return *std::move(attribute);
  if (value.Is(Kind::kDict)) {
    if (const Value* item = value.AsDict().Find(name)) return *item;
  }
  if (name.starts_with("__") && !value.Is(Kind::kDict)) {
    return Value::Undefined(
        fmt::format("access to attribute '{}' of '{}' object is unsafe", name, TypeName(value)));
  }
  return Value::Undefined(Missing(value, name));
}

Value GetItem(const Value& value, const Value& key, Meter& meter) {
  RequireDefined(value);
  if (value.Is(Kind::kDict)) {
    if (const Value* item = value.AsDict().Find(key)) return *item;
  } else if (auto item = ItemAt(value, key, meter)) {
    return *std::move(item);
  }
  if (key.Is(Kind::kString)) {
    if (auto attribute = FindAttribute(value, key.AsText())) return *std::move(attribute);
    return Value::Undefined(Missing(value, key.AsText()));
  }
  const std::string which = key.Is(Kind::kInt) ? std::to_string(key.AsInt()) : "of that kind";
  return Value::Undefined(fmt::format("{} has no element {}", ObjectName(value), which));
}

Value GetSlice(const Value& value, const Value& start, const Value& stop, const Value& step,
               Meter& meter) {
  RequireDefined(value);
  if (value.Is(Kind::kString)) {
    meter.String(value.AsText().size());
    const std::vector<std::string_view> characters = Characters(value.AsText());
    std::string text;
    ForEachIn(Clip(start, stop, step, characters.size()), [&](size_t i) { text += characters[i]; });
    return Value::StringLike(value, std::move(text));
  }
  if (!value.IsSequence() && !value.Is(Kind::kRange)) {
    return Value::Undefined(fmt::format("{} has no slices", ObjectName(value)));
  }
  const std::vector<Value> all = Iterate(value, meter);
  std::vector<Value> items;
  ForEachIn(Clip(start, stop, step, all.size()), [&](size_t i) { items.push_back(all[i]); });
  return value.Is(Kind::kTuple) ? Value::Tuple(std::move(items)) : Value::List(std::move(items));
}

Value GetPath(const Value& value, const Value& path, Meter& meter, const Value* fallback) {
  const auto step = [&](const Value& from, const Value& key) {
    Value found = GetItem(from, key, meter);
    return found.Is(Kind::kUndefined) && fallback != nullptr ? *fallback : found;
  };
  if (!path.Is(Kind::kString)) return step(value, path);
  Value at = value;
  for (const std::string_view part : SplitAt(path.AsText(), ".", -1, Side::kLeft)) {
    const bool is_number = IsDigit(part) && IsAscii(part) && part.size() < 10;
    at = step(at,
              is_number ? Value::Int(*ParseInteger(part, 10)) : Value::String(std::string(part)));
  }
  return at;
}

}  // namespace bitloss::templates

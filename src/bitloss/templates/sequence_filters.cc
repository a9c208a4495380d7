// Filters of lists, mappings and lazy sequences.
#include <algorithm>

#include "bitloss/templates/access.h"
#include "bitloss/templates/compare.h"
#include "bitloss/templates/filters.h"
#include "bitloss/templates/operators.h"
#include "bitloss/templates/print.h"
#include "bitloss/templates/text.h"
#include "bitloss/templates/value_tests.h"

namespace bitloss::templates {
namespace {

constexpr std::string_view kGenerator = "generator";

Value Length(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound none("length", "", 0, arguments);
  const auto number = [](size_t n) { return Value::Int(static_cast<int64_t>(n)); };
  switch (value.kind()) {
    case Kind::kUndefined:
      return Value::Int(0);
    case Kind::kString:
      return number(NumCodePoints(value.AsText()));
    case Kind::kRange:
      return number(value.AsRange().size());
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kDict:
    case Kind::kView:
      return number(Iterate(value, meter).size());
    default:
      Refuse("object of type '{}' has no len()", TypeName(value));
  }
}

Value Join(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound bound("join", "d attribute", 0, arguments);
  const std::string between = bound.Has(0) ? Str(bound[0], meter) : "";
  const bool by_attribute = bound.Has(1) && !bound[1].Is(Kind::kNone);
  std::string text;
  size_t charged = 0;
  bool first = true;
  for (const Value& item : Iterate(value, meter)) {
    if (!first) text += between;
    first = false;
    text += Str(by_attribute ? GetPath(item, bound[1], meter) : item, meter);
    meter.Grown(text.size(), charged);
  }
  return Value::String(std::move(text));
}

Value First(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound none("first", "", 0, arguments);
  if (value.Is(Kind::kLazy)) {
    Lazy& lazy = value.AsLazy();
    if (lazy.at < lazy.items.size()) return lazy.items[lazy.at++];
  }
  const std::vector<Value> items = Iterate(value, meter);
  return items.empty() ? Value::Undefined("No first item, sequence was empty.") : items.front();
}

Value Last(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound none("last", "", 0, arguments);
  if (value.Is(Kind::kLazy)) Refuse("'{}' object is not reversible", TypeName(value));
  const std::vector<Value> items = Iterate(value, meter);
  return items.empty() ? Value::Undefined("No last item, sequence was empty.") : items.back();
}

Value ToList(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound none("list", "", 0, arguments);
  return Value::List(Iterate(value, meter));
}

Value ItemsOf(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound none("items", "", 0, arguments);
  if (value.Is(Kind::kUndefined)) return Value::LazyOf({}, kGenerator);
  if (!value.Is(Kind::kDict)) Refuse("Can only get item pairs from a mapping.");
  return Value::LazyOf(Iterate(Value::Of(View{View::Of::kItems, value}), meter), kGenerator);
}

enum class Case { kKeep, kIgnore };

// What a value is compared by.
Value SortKey(const Value& value, Case letters) {
  if (letters == Case::kIgnore && value.Is(Kind::kString)) {
    return Value::String(Lower(value.AsText()));
  }
  return value;
}

Case CaseOf(const Bound& bound, size_t i) {
  return bound.Flag(i, false) ? Case::kKeep : Case::kIgnore;
}

struct Keyed {
  std::vector<Value> keys;  // compared one after the other
  Value value;
};

// Stable in both directions, as Python's sort is.
std::vector<Value> Sorted(std::vector<Keyed> items, bool reverse, Meter& meter) {
  const auto less = [&](const Keyed& a, const Keyed& b) {
    for (size_t i = 0; i < a.keys.size(); ++i) {
      if (!Equal(a.keys[i], b.keys[i], meter)) return Less(a.keys[i], b.keys[i], meter);
      RequireDefined(a.keys[i]);
    }
    return false;
  };
  std::stable_sort(items.begin(), items.end(), [&](const Keyed& a, const Keyed& b) {
    return reverse ? less(b, a) : less(a, b);
  });
  std::vector<Value> sorted;
  for (Keyed& item : items) sorted.push_back(std::move(item.value));
  return sorted;
}

// The keys of an item by "a.b,c", or itself.
std::vector<Value> KeysOf(const Value& item, const Value* attribute, Case letters, Meter& meter) {
  if (attribute == nullptr || attribute->Is(Kind::kNone)) return {SortKey(item, letters)};
  if (!attribute->Is(Kind::kString)) return {SortKey(GetPath(item, *attribute, meter), letters)};
  std::vector<Value> keys;
  for (const std::string_view path : SplitAt(attribute->AsText(), ",", -1, Side::kLeft)) {
    keys.push_back(SortKey(GetPath(item, Value::String(std::string(path)), meter), letters));
  }
  return keys;
}

std::vector<Keyed> WithKeys(const Value& value, const Value* attribute, Case letters,
                            Meter& meter) {
  std::vector<Keyed> items;
  for (Value& item : Iterate(value, meter)) {
    std::vector<Value> keys = KeysOf(item, attribute, letters, meter);
    items.push_back({std::move(keys), std::move(item)});
  }
  return items;
}

Value Sort(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound bound("sort", "reverse case_sensitive attribute", 0, arguments);
  const Value* attribute = bound.Has(2) ? &bound[2] : nullptr;
  return Value::List(
      Sorted(WithKeys(value, attribute, CaseOf(bound, 1), meter), bound.Flag(0, false), meter));
}

Value DictSort(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound bound("dictsort", "case_sensitive by reverse", 0, arguments);
  RequireDefined(value);
  if (!value.Is(Kind::kDict)) Refuse("dictsort() wants a mapping, not {}", TypeName(value));
  const std::string by = bound.Has(1) ? bound.Text(1) : "key";
  if (by != "key" && by != "value") Refuse("You can only sort by either \"key\" or \"value\"");
  std::vector<Keyed> pairs;
  for (const auto& [key, item] : value.AsDict().items()) {
    const Value sort_key = SortKey(by == "key" ? key : item, CaseOf(bound, 0));
    pairs.push_back({{sort_key}, Value::Tuple({key, item})});
  }
  meter.Items(pairs.size());
  return Value::List(Sorted(std::move(pairs), bound.Flag(2, false), meter));
}

Value Unique(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound bound("unique", "case_sensitive attribute", 0, arguments);
  Dict seen;
  const Value* attribute = bound.Has(1) ? &bound[1] : nullptr;
  for (const Keyed& item : WithKeys(value, attribute, CaseOf(bound, 0), meter)) {
    const Value key = item.keys.size() == 1 ? item.keys[0] : Value::Tuple(item.keys);
    if (seen.Find(key) == nullptr) seen.Set(key, item.value);
  }
  std::vector<Value> items;
  for (const auto& [key, item] : seen.items()) items.push_back(item);
  return Value::LazyOf(std::move(items), kGenerator);
}

Value Reverse(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound none("reverse", "", 0, arguments);
  std::vector<Value> items = Iterate(value, meter);
  std::reverse(items.begin(), items.end());
  if (value.Is(Kind::kString)) {
    std::string text;
    for (const Value& item : items) text += item.AsText();
    return Value::StringLike(value, std::move(text));
  }
  if (value.Is(Kind::kLazy)) return Value::List(std::move(items));
  return Value::LazyOf(std::move(items),
                       value.Is(Kind::kList) ? "list_reverseiterator" : "reversed");
}

// The arguments without the first `count` positional ones.
Arguments After(const Arguments& arguments, size_t count) {
  Arguments rest = arguments;
  const auto taken = static_cast<std::ptrdiff_t>(std::min(count, rest.positional.size()));
  rest.positional.erase(rest.positional.begin(), rest.positional.begin() + taken);
  return rest;
}

Value Map(const Value& value, const Arguments& arguments, Meter& meter) {
  std::vector<Value> mapped;
  if (arguments.positional.empty()) {
    const Bound bound("map", "attribute default", 1, arguments);
    const bool falls_back = bound.Has(1) && !bound[1].Is(Kind::kNone);
    for (const Value& item : Iterate(value, meter)) {
      mapped.push_back(GetPath(item, bound[0], meter, falls_back ? &bound[1] : nullptr));
    }
  } else {
    const Bound named("map", "filter", 1, {.positional = {arguments.positional[0]}});
    const Arguments rest = After(arguments, 1);
    for (const Value& item : Iterate(value, meter)) {
      mapped.push_back(ApplyFilter(named.Text(0), item, rest, meter));
    }
  }
  return Value::LazyOf(std::move(mapped), kGenerator);
}

// select, reject, selectattr, rejectattr: the items for which a test, by default that of truth,
// says `wanted`.
template <bool kByAttribute, bool kWanted>
Value Choose(const Value& value, const Arguments& arguments, Meter& meter) {
  constexpr size_t kSkip = kByAttribute ? 1 : 0;
  if (arguments.positional.size() < kSkip) Refuse("the filter misses its attribute");
  const bool has_test = arguments.positional.size() > kSkip;
  if (has_test && !arguments.positional[kSkip].Is(Kind::kString)) {
    Refuse("the name of a test is a string, not {}", TypeName(arguments.positional[kSkip]));
  }
  const Arguments rest = After(arguments, kSkip + 1);
  std::vector<Value> chosen;
  for (const Value& item : Iterate(value, meter)) {
    const Value asked = kByAttribute ? GetPath(item, arguments.positional[0], meter) : item;
    const bool holds = has_test
                           ? ApplyTest(arguments.positional[kSkip].AsText(), asked, rest, meter)
                           : Truth(asked);
    if (holds == kWanted) chosen.push_back(item);
  }
  return Value::LazyOf(std::move(chosen), kGenerator);
}

Value Default(const Value& value, const Arguments& arguments, Meter&) {
  const Bound bound("default", "default_value boolean", 0, arguments);
  const bool replaces = value.Is(Kind::kUndefined) || (bound.Flag(1, false) && !Truth(value));
  return replaces ? bound.Or(0, Value::String("")) : value;
}

template <bool kLargest>
Value Extreme(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound bound(kLargest ? "max" : "min", "case_sensitive attribute", 0, arguments);
  const Value* attribute = bound.Has(1) ? &bound[1] : nullptr;
  const std::vector<Keyed> items = WithKeys(value, attribute, CaseOf(bound, 0), meter);
  if (items.empty()) return Value::Undefined("No aggregated item, sequence was empty.");
  const Keyed* best = &items[0];
  for (const Keyed& item : items) {
    if (&item == best) continue;
    const bool better = kLargest ? Less(best->keys[0], item.keys[0], meter)
                                 : Less(item.keys[0], best->keys[0], meter);
    if (better) best = &item;
  }
  return best->value;
}

Value Sum(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound bound("sum", "attribute start", 0, arguments);
  const bool by_attribute = bound.Has(0) && !bound[0].Is(Kind::kNone);
  Value sum = bound.Or(1, Value::Int(0));
  for (const Value& item : Iterate(value, meter)) {
    sum = Binary("+", sum, by_attribute ? GetPath(item, bound[0], meter) : item, meter);
  }
  return sum;
}

Value Batch(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound bound("batch", "linecount fill_with", 1, arguments);
  const int64_t size = bound.Integer(0, 0);
  if (size < 1) Refuse("batch() wants lines of at least one item");
  meter.Items(bound.Has(1) ? static_cast<size_t>(size) : 0);
  std::vector<Value> lines;
  std::vector<Value> line;
  const auto end_line = [&] { lines.push_back(Value::List(std::exchange(line, {}))); };
  for (const Value& item : Iterate(value, meter)) {
    line.push_back(item);
    if (line.size() == static_cast<size_t>(size)) end_line();
  }
  if (!line.empty()) {
    const bool fills = bound.Has(1) && !bound[1].Is(Kind::kNone);
    while (fills && line.size() < static_cast<size_t>(size)) line.push_back(bound[1]);
    end_line();
  }
  return Value::LazyOf(std::move(lines), kGenerator);
}

Value GroupBy(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound bound("groupby", "attribute default case_sensitive", 1, arguments);
  std::vector<Keyed> items;
  for (const Value& item : Iterate(value, meter)) {
    const Value key = GetPath(item, bound[0], meter, bound.Has(1) ? &bound[1] : nullptr);
    items.push_back({{SortKey(key, CaseOf(bound, 2))}, Value::Tuple({key, item})});
  }
  std::vector<Value> groups;
  std::vector<Value> group;
  std::optional<Value> name;
  const auto end_group = [&] {
    if (name) groups.push_back(Value::Tuple({*name, Value::List(std::exchange(group, {}))}));
  };
  for (const Value& pair : Sorted(std::move(items), false, meter)) {
    const Value& key = pair.Items()[0];
    const bool same =
        name && Equal(SortKey(*name, CaseOf(bound, 2)), SortKey(key, CaseOf(bound, 2)), meter);
    if (!same) {
      end_group();
      name = key;
    }
    group.push_back(pair.Items()[1]);
  }
  end_group();
  return Value::List(std::move(groups));
}

Value Attr(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound bound("attr", "name", 1, arguments);
  // The attribute alone, never the key.
  if (value.Is(Kind::kDict) && !GetAttribute(value, bound.Text(0), meter).Is(Kind::kMethod)) {
    return Value::Undefined(fmt::format("'dict object' has no attribute '{}'", bound.Text(0)));
  }
  return GetAttribute(value, bound.Text(0), meter);
}

constexpr Filter kSequenceFilters[] = {
    {"length", Length},
    {"count", Length},
    {"join", Join},
    {"first", First},
    {"last", Last},
    {"list", ToList},
    {"items", ItemsOf},
    {"sort", Sort},
    {"dictsort", DictSort},
    {"unique", Unique},
    {"reverse", Reverse},
    {"map", Map},
    {"select", Choose<false, true>},
    {"reject", Choose<false, false>},
    {"selectattr", Choose<true, true>},
    {"rejectattr", Choose<true, false>},
    {"default", Default},
    {"d", Default},
    {"min", Extreme<false>},
    {"max", Extreme<true>},
    {"sum", Sum},
    {"batch", Batch},
    {"groupby", GroupBy},
    {"attr", Attr},
};

}  // namespace

std::span<const Filter> SequenceFilters() { return kSequenceFilters; }

}  // namespace bitloss::templates

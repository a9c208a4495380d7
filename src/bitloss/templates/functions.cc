#include "bitloss/templates/functions.h"

#include <algorithm>

#include "bitloss/templates/compare.h"
#include "bitloss/templates/numbers.h"
#include "bitloss/templates/print.h"

namespace bitloss::templates {
namespace {

struct Call {
  const Arguments& arguments;
  const LocalTime& now;
  Meter& meter;
};

Value MakeRange(const Call& call) {
  const Bound bound("range", "start stop step", 1, call.arguments);
  const bool one = !bound.Has(1);
  Range range{one ? 0 : bound.Integer(0, 0), one ? bound.Integer(0, 0) : bound.Integer(1, 0),
              bound.Integer(2, 1)};
  if (range.step == 0) Refuse("range() arg 3 must not be zero");
  if (range.size() > kMaxRange) Refuse("a range of more than {} items", kMaxRange);
  return Value::Of(range);
}

// dict(pairs_or_mapping, a=1, ...).
Dict MakeMapping(std::string_view name, const Call& call) {
  if (call.arguments.positional.size() > 1)
    Refuse("{}() takes at most 1 positional argument", name);
  Dict dict;
  for (const Value& source : call.arguments.positional) {
    if (source.Is(Kind::kDict)) {
      call.meter.Items(source.AsDict().items().size());
      dict = source.AsDict();
      continue;
    }
    for (const Value& pair : Iterate(source, call.meter)) {
      const std::vector<Value> parts = Iterate(pair, call.meter);
      if (parts.size() != 2) Refuse("{}() wants pairs, found {} parts", name, parts.size());
      dict.Set(parts[0], parts[1]);
    }
  }
  for (const auto& [key, value] : call.arguments.named) dict.Set(key, value);
  return dict;
}

Value MakeDict(const Call& call) { return Value::Of(MakeMapping("dict", call)); }

Value MakeNamespace(const Call& call) {
  const Dict attributes = MakeMapping("namespace", call);
  Value made = Value::NewNamespace({});
  for (const auto& [key, value] : attributes.items()) {
    if (!key.Is(Kind::kString)) Refuse("the name of an attribute is a string");
    SetAttribute(made.AsNamespace(), key.AsText(), value);
  }
  return made;
}

Value RaiseException(const Call& call) {
  const Bound bound("raise_exception", "message", 1, call.arguments);
  throw Refusal{.message = Str(bound[0], call.meter), .by_template = true};
}

Value StrftimeNow(const Call& call) {
  const Bound bound("strftime_now", "format", 1, call.arguments);
  return Value::String(FormatTime(bound.Text(0), call.now));
}

template <size_t N>
struct Name {
  constexpr Name(const char (&text)[N]) { std::copy_n(text, N, value); }  // NOLINT: as a literal
  char value[N];
};

// What Jinja has and no template was seen to use: defined, and refused when called.
template <Name kName>
Value NotImplemented(const Call&) {
  Refuse("{}() is not implemented", kName.value);
}

struct FunctionEntry {
  std::string_view name;
  Value (*call)(const Call&);
};

constexpr FunctionEntry kFunctions[] = {
    {"range", MakeRange},
    {"dict", MakeDict},
    {"namespace", MakeNamespace},
    {"raise_exception", RaiseException},
    {"strftime_now", StrftimeNow},
    {"cycler", NotImplemented<"cycler">},
    {"joiner", NotImplemented<"joiner">},
    {"lipsum", NotImplemented<"lipsum">},
    {"self", NotImplemented<"self">},
};

}  // namespace

std::vector<std::string_view> FunctionNames() {
  std::vector<std::string_view> names;
  for (const FunctionEntry& entry : kFunctions) names.push_back(entry.name);
  return names;
}

Value CallFunction(const Function& function, const Arguments& arguments, const LocalTime& now,
                   Meter& meter) {
  const auto found =
      std::find_if(std::begin(kFunctions), std::end(kFunctions),
                   [&](const FunctionEntry& entry) { return entry.name == function.name; });
  return found->call({arguments, now, meter});
}

}  // namespace bitloss::templates

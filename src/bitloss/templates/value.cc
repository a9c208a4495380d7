#include "bitloss/templates/value.h"

#include <algorithm>
#include <cmath>

#include "bitloss/base/check.h"
#include "bitloss/templates/meter.h"

namespace bitloss::templates {
namespace {

// The depth of something that holds `value`. A namespace can change after it was put somewhere, so
// it may not be put into anything: it could come to hold itself.
uint32_t DepthAround(uint32_t depth, const Value& value) {
  if (value.Is(Kind::kNamespace) || value.Is(Kind::kLoop)) {
    Refuse("a {} inside another value", value.Is(Kind::kLoop) ? "loop" : "namespace");
  }
  const auto deeper = std::max(depth, static_cast<uint32_t>(value.depth()) + 1);
  if (deeper > kMaxValueDepth) Refuse("values in one another more than {} deep", kMaxValueDepth);
  return deeper;
}

uint32_t DepthOf(const std::vector<Value>& items) {
  uint32_t depth = 1;
  for (const Value& item : items) depth = DepthAround(depth, item);
  return depth;
}

uint32_t DepthOf(const Dict& dict) {
  uint32_t depth = 1;
  for (const auto& [key, value] : dict.items()) {
    depth = DepthAround(DepthAround(depth, key), value);
  }
  return depth;
}

constexpr size_t kMaxKeyBytes = size_t{1} << 20;

// Equal exactly for equal keys; empty if `key` cannot be one.
std::string HashKey(const Value& key) {
  switch (key.kind()) {
    case Kind::kString:
      return "s" + key.AsText();
    case Kind::kNone:
      return "n";
    case Kind::kBool:
    case Kind::kInt:
      return fmt::format("i{}", key.AsInt());
    case Kind::kBigInt:
      return "i" + key.AsText();
    case Kind::kFloat: {
      const double number = key.AsFloat();
      const bool whole = std::trunc(number) == number && std::fabs(number) < 0x1p63;
      return whole ? fmt::format("i{}", static_cast<int64_t>(number)) : fmt::format("f{}", number);
    }
    case Kind::kTuple: {
      std::string all = "t";
      for (const Value& item : key.Items()) {
        const std::string part = HashKey(item);
        if (part.empty()) return {};
        all += fmt::format("{}:{}", part.size(), part);
        // Tuples that hold one another twice are exponentially long.
        if (all.size() > kMaxKeyBytes) Refuse("a key of more than {} bytes", kMaxKeyBytes);
      }
      return all;
    }
    case Kind::kUndefined:
      return "u";
    default:
      return {};
  }
}

}  // namespace

template <class T>
Value Value::Make(Kind kind, T object) {
  Value value(kind);
  value.object_ = std::make_shared<T>(std::move(object));
  return value;
}

Value Value::Undefined(std::string why) { return Make(Kind::kUndefined, Text{std::move(why)}); }
Value Value::BigInt(std::string digits) { return Make(Kind::kBigInt, Text{std::move(digits)}); }
Value Value::String(std::string text) { return Make(Kind::kString, Text{std::move(text)}); }
Value Value::Of(Range range) { return Make(Kind::kRange, range); }
Value Value::Of(Function function) { return Make(Kind::kFunction, std::move(function)); }
Value Value::Of(Macro macro) { return Make(Kind::kMacro, macro); }

Value Value::Bool(bool value) {
  Value made(Kind::kBool);
  made.integer_ = value ? 1 : 0;
  made.number_ = value ? 1 : 0;
  return made;
}

Value Value::Int(int64_t value) {
  Value made(Kind::kInt);
  made.integer_ = value;
  made.number_ = static_cast<double>(value);
  return made;
}

Value Value::Float(double value) {
  Value made(Kind::kFloat);
  made.number_ = value;
  return made;
}

Value Value::Safe(std::string text) {
  Value made = String(std::move(text));
  made.safe_ = true;
  return made;
}

Value Value::StringLike(const Value& like, std::string text) {
  Value made = String(std::move(text));
  made.safe_ = like.safe_;
  return made;
}

Value Value::List(std::vector<Value> items) {
  const uint32_t depth = DepthOf(items);
  Value made = Make(Kind::kList, Sequence{std::move(items)});
  made.depth_ = depth;
  return made;
}

Value Value::Tuple(std::vector<Value> items) {
  Value made = List(std::move(items));
  made.kind_ = Kind::kTuple;
  return made;
}

Value Value::Of(Dict dict) {
  const uint32_t depth = DepthOf(dict);
  Value made = Make(Kind::kDict, std::move(dict));
  made.depth_ = depth;
  return made;
}

Value Value::Of(View view) {
  const uint32_t depth = DepthAround(0, view.dict);
  Value made = Make(Kind::kView, std::move(view));
  made.depth_ = depth;
  return made;
}

Value Value::Of(Method method) {
  const bool of_loop = method.self.Is(Kind::kLoop);
  const uint32_t depth = of_loop ? 1 : DepthAround(0, method.self);
  Value made = Make(Kind::kMethod, std::move(method));
  made.depth_ = depth;
  return made;
}

Value Value::LazyOf(std::vector<Value> items, std::string_view type_name) {
  const uint32_t depth = DepthOf(items);
  Value made = Make(Kind::kLazy, Lazy{std::move(items), type_name});
  made.depth_ = depth;
  return made;
}

Value Value::NewNamespace(Dict attributes) {
  DepthOf(attributes);
  return Make(Kind::kNamespace, Namespace{std::move(attributes)});
}

Value Value::LoopOf(std::shared_ptr<LoopState> loop) {
  Value made(Kind::kLoop);
  made.object_ = std::move(loop);
  return made;
}

bool Value::IsNumber() const {
  return kind_ == Kind::kBool || kind_ == Kind::kInt || kind_ == Kind::kFloat;
}
bool Value::IsSequence() const { return kind_ == Kind::kList || kind_ == Kind::kTuple; }
bool Value::IsCallable() const {
  return kind_ == Kind::kMethod || kind_ == Kind::kFunction || kind_ == Kind::kMacro ||
         kind_ == Kind::kUndefined || kind_ == Kind::kLoop;
}

const std::string& Value::AsText() const {
  BITLOSS_CHECK(kind_ == Kind::kString || kind_ == Kind::kUndefined || kind_ == Kind::kBigInt);
  return static_cast<const Text*>(object_.get())->text;
}
const std::vector<Value>& Value::Items() const {
  BITLOSS_CHECK(IsSequence());
  return static_cast<const Sequence*>(object_.get())->items;
}
const Dict& Value::AsDict() const {
  BITLOSS_CHECK(kind_ == Kind::kDict);
  return *static_cast<const Dict*>(object_.get());
}
const Range& Value::AsRange() const {
  BITLOSS_CHECK(kind_ == Kind::kRange);
  return *static_cast<const Range*>(object_.get());
}
const View& Value::AsView() const {
  BITLOSS_CHECK(kind_ == Kind::kView);
  return *static_cast<const View*>(object_.get());
}
Lazy& Value::AsLazy() const {
  BITLOSS_CHECK(kind_ == Kind::kLazy);
  return *static_cast<Lazy*>(object_.get());
}
Namespace& Value::AsNamespace() const {
  BITLOSS_CHECK(kind_ == Kind::kNamespace);
  return *static_cast<Namespace*>(object_.get());
}
LoopState& Value::AsLoop() const {
  BITLOSS_CHECK(kind_ == Kind::kLoop);
  return *static_cast<LoopState*>(object_.get());
}
const Method& Value::AsMethod() const {
  BITLOSS_CHECK(kind_ == Kind::kMethod);
  return *static_cast<const Method*>(object_.get());
}
const Function& Value::AsFunction() const {
  BITLOSS_CHECK(kind_ == Kind::kFunction);
  return *static_cast<const Function*>(object_.get());
}
const Macro& Value::AsMacro() const {
  BITLOSS_CHECK(kind_ == Kind::kMacro);
  return *static_cast<const Macro*>(object_.get());
}

void Dict::Set(Value key, Value value) {
  std::string hash = HashKey(key);
  if (hash.empty()) Refuse("unhashable type: '{}'", TypeName(key));
  const auto [found, is_new] = index_.try_emplace(std::move(hash), items_.size());
  if (is_new) {
    items_.emplace_back(std::move(key), std::move(value));
  } else {
    items_[found->second].second = std::move(value);
  }
}

const Value* Dict::Find(const Value& key) const {
  const std::string hash = HashKey(key);
  if (hash.empty()) return nullptr;
  const auto found = index_.find(hash);
  return found == index_.end() ? nullptr : &items_[found->second].second;
}

const Value* Dict::Find(std::string_view key) const {
  const auto found = index_.find("s" + std::string(key));
  return found == index_.end() ? nullptr : &items_[found->second].second;
}

size_t Range::size() const {
  using Wide = __int128;
  const Wide distance = step > 0 ? Wide{stop} - start : Wide{start} - stop;
  const Wide stride = step > 0 ? Wide{step} : -Wide{step};
  return distance > 0 ? static_cast<size_t>((distance - 1) / stride + 1) : 0;
}

Value Range::At(size_t i) const { return Value::Int(start + static_cast<int64_t>(i) * step); }

std::string_view TypeName(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
    case Kind::kBigInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return value.safe() ? "Markup" : "str";
    case Kind::kList:
      return "list";
    case Kind::kTuple:
      return "tuple";
    case Kind::kDict:
      return "dict";
    case Kind::kRange:
      return "range";
    case Kind::kView:
      return value.AsView().of == View::Of::kItems  ? "dict_items"
             : value.AsView().of == View::Of::kKeys ? "dict_keys"
                                                    : "dict_values";
    case Kind::kLazy:
      return value.AsLazy().type_name;
    case Kind::kNamespace:
      return "namespace";
    case Kind::kLoop:
      return "LoopContext";
    case Kind::kMethod:
      return "method";
    case Kind::kFunction:
      return "function";
    case Kind::kMacro:
      return "Macro";
  }
  return "";
}

std::string ObjectName(const Value& value) {
  if (value.Is(Kind::kNone)) return "None";
  return fmt::format("{} object", TypeName(value));
}

bool Truth(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return value.AsInt() != 0;
    case Kind::kFloat:
      return value.AsFloat() != 0;
    case Kind::kString:
      return !value.AsText().empty();
    case Kind::kList:
    case Kind::kTuple:
      return !value.Items().empty();
    case Kind::kDict:
      return !value.AsDict().items().empty();
    case Kind::kRange:
      return value.AsRange().size() > 0;
    case Kind::kView:
      return Truth(value.AsView().dict);
    default:
      return true;
  }
}

void RequireDefined(const Value& value) {
  if (value.Is(Kind::kUndefined)) Refuse("{}", value.AsText());
}

void SetAttribute(Namespace& space, std::string_view name, Value value) {
  if (name.starts_with('_')) {
    Refuse("an attribute of a namespace may not begin with an underscore: '{}'", name);
  }
  DepthAround(0, value);
  space.attributes.Set(name, std::move(value));
}

}  // namespace bitloss::templates

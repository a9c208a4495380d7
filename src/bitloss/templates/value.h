// What an expression of a template can be: the values of Python that templates use. Values are
// immutable, but for namespaces, loops and lazy sequences; copying one copies a reference.
#ifndef BITLOSS_TEMPLATES_VALUE_H_
#define BITLOSS_TEMPLATES_VALUE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bitloss/templates/refusal.h"

namespace bitloss::templates {

class Value;

enum class Kind {
  kUndefined,  // its text is what a use is refused with: "'x' is undefined"
  kNone,
  kBool,
  kInt,
  kBigInt,  // past 64 bits: its digits, to be printed; arithmetic refuses it
  kFloat,
  kString,  // UTF-8
  kList,
  kTuple,
  kDict,
  kRange,
  kView,  // what items(), keys() and values() of a mapping return
  kLazy,  // what map, select and their like return: gone through once
  kNamespace,
  kLoop,
  kMethod,
  kFunction,
  kMacro,
};

struct Text;
struct Sequence;
class Dict;
struct Range;
struct View;
struct Lazy;
struct Namespace;
struct LoopState;
struct Method;
struct Function;
struct Macro;
struct Statement;
struct MacroStatement;
struct Scope;

class Value {
 public:
  Value() : Value(None()) {}

  static Value None() { return Value(Kind::kNone); }
  static Value Undefined(std::string why);
  static Value Bool(bool value);
  static Value Int(int64_t value);
  static Value BigInt(std::string digits);
  static Value Float(double value);
  static Value String(std::string text);
  // Markup: `+` with it escapes the other side for HTML.
  static Value Safe(std::string text);
  // The text, marked as `like` is.
  static Value StringLike(const Value& like, std::string text);
  // kMaxValueDepth holds for all of these.
  static Value List(std::vector<Value> items);
  static Value Tuple(std::vector<Value> items);
  static Value Of(Dict dict);
  static Value Of(Range range);
  static Value Of(View view);
  static Value Of(Method method);
  static Value Of(Function function);
  static Value Of(Macro macro);
  static Value LazyOf(std::vector<Value> items, std::string_view type_name);
  static Value NewNamespace(Dict attributes);
  static Value LoopOf(std::shared_ptr<LoopState> loop);

  Kind kind() const { return kind_; }
  bool Is(Kind kind) const { return kind_ == kind; }
  bool IsNumber() const;    // bool, int, float
  bool IsSequence() const;  // list, tuple
  bool IsCallable() const;
  bool safe() const { return safe_; }

  // Requires: of that kind.
  bool AsBool() const { return integer_ != 0; }
  int64_t AsInt() const { return integer_; }  // of booleans too
  double AsFloat() const { return number_; }  // of booleans and integers too
  const std::string& AsText() const;          // strings, undefined, big integers
  const std::vector<Value>& Items() const;    // lists, tuples
  const Dict& AsDict() const;
  const Range& AsRange() const;
  const View& AsView() const;
  Lazy& AsLazy() const;
  Namespace& AsNamespace() const;
  LoopState& AsLoop() const;
  const Method& AsMethod() const;
  const Function& AsFunction() const;
  const Macro& AsMacro() const;

  // How deep lists and mappings lie in one another; 0 for what holds nothing.
  size_t depth() const { return depth_; }
  // Whether two are the same object.
  const void* identity() const { return object_.get(); }

 private:
  explicit Value(Kind kind) : kind_(kind) {}
  template <class T>
  static Value Make(Kind kind, T object);

  Kind kind_;
  bool safe_ = false;
  uint32_t depth_ = 0;
  int64_t integer_ = 0;
  double number_ = 0;
  std::shared_ptr<void> object_;
};

struct Text {
  std::string text;
};

struct Sequence {
  std::vector<Value> items;
};

// In order of insertion. Keys that are equal as values (1, 1.0, true) are one.
class Dict {
 public:
  using Item = std::pair<Value, Value>;
  // Refuses a key that cannot be one (a list, a mapping).
  void Set(Value key, Value value);
  void Set(std::string_view key, Value value) { Set(Value::String(std::string(key)), value); }
  // Null if there is none, or if `key` cannot be a key.
  const Value* Find(const Value& key) const;
  const Value* Find(std::string_view key) const;
  const std::vector<Item>& items() const { return items_; }

 private:
  std::vector<Item> items_;
  std::unordered_map<std::string, size_t> index_;
};

struct Range {
  int64_t start;
  int64_t stop;
  int64_t step;
  size_t size() const;
  Value At(size_t i) const;
};

struct View {
  enum class Of { kItems, kKeys, kValues } of;
  Value dict;
};

struct Lazy {
  std::vector<Value> items;
  std::string_view type_name;
  size_t at = 0;
};

struct Namespace {
  Dict attributes;
};

// What `loop` says in a for loop.
struct LoopState {
  std::vector<Value> items;
  size_t index = 0;
  size_t depth = 0;
  const Statement* recursive = nullptr;  // the statement, if it may be called
  std::shared_ptr<Scope> scope = {};     // around it; only if it may be called
  std::vector<Value> changed = {};       // the last arguments of loop.changed
  bool has_changed = false;
};

struct Method {
  Value self;
  std::string name;
};

struct Function {
  std::string name;
};

struct Macro {
  const MacroStatement* statement;
  Scope* scope;  // in which it was defined; lives as long as the rendering
};

// As Python names the type: "str", "NoneType".
std::string_view TypeName(const Value& value);
// As messages about attributes do: "dict object", "None".
std::string ObjectName(const Value& value);

bool Truth(const Value& value);

// Refuses the use of an undefined value.
void RequireDefined(const Value& value);

// Adds an attribute to a namespace. Refuses namespaces inside of values, which could hold
// themselves.
void SetAttribute(Namespace& space, std::string_view name, Value value);

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_VALUE_H_

#include "bitloss/templates/access.h"
#include "bitloss/templates/compare.h"
#include "bitloss/templates/filters.h"
#include "bitloss/templates/functions.h"
#include "bitloss/templates/interpreter.h"
#include "bitloss/templates/methods.h"
#include "bitloss/templates/operators.h"
#include "bitloss/templates/value_tests.h"

namespace bitloss::templates {

Value Interpreter::Evaluate(const Expression& e) {
  using Of = Expression::Kind;
  const Deeper deeper(depth_, kMaxEvaluation, "expressions and statements");
  meter_.Step();
  switch (e.kind) {
    case Of::kConstant:
      return e.value;
    case Of::kName:
      return Lookup(e);
    case Of::kList:
      return Value::List(EvaluateAll(e.operands));
    case Of::kTuple:
      return Value::Tuple(EvaluateAll(e.operands));
    case Of::kDict:
      return Mapping(e);
    case Of::kAnd:
    case Of::kOr: {
      Value left = Evaluate(*e.operands[0]);
      return Truth(left) == (e.kind == Of::kOr) ? left : Evaluate(*e.operands[1]);
    }
    case Of::kCompare:
      return Compare(e);
    case Of::kCondition:
      return Conditional(e);
    case Of::kSlice:
      return Slice(e);
    case Of::kFilter:
      return ApplyFilters(e, Value::None());
    default:
      break;
  }
  const std::vector<Value> operands = EvaluateAll(e.operands);
  const Arguments arguments = EvaluateArguments(e.arguments);
  at_ = e.at;
  switch (e.kind) {
    case Of::kUnary:
      return e.name == "not" ? Value::Bool(!Truth(operands[0])) : Unary(e.name, operands[0]);
    case Of::kBinary:
      return Binary(e.name, operands[0], operands[1], meter_);
    case Of::kConcat:
      return Concat(operands, meter_);
    case Of::kAttribute:
      return GetAttribute(operands[0], e.name, meter_);
    case Of::kItem:
      return GetItem(operands[0], operands[1], meter_);
    case Of::kTest:
      return Value::Bool(ApplyTest(e.name, operands[0], arguments, meter_));
    default:  // kCall
      return CallValue(operands[0], arguments);
  }
}

Value Interpreter::Lookup(const Expression& e) {
  const Value* value = scope_->Find(e.name);
  return value != nullptr ? *value : Value::Undefined(fmt::format("'{}' is undefined", e.name));
}

std::vector<Value> Interpreter::EvaluateAll(const std::vector<ExpressionPtr>& expressions) {
  std::vector<Value> values;
  values.reserve(expressions.size());
  for (const ExpressionPtr& expression : expressions) values.push_back(Evaluate(*expression));
  return values;
}

Value Interpreter::OrNone(const ExpressionPtr& expression) {
  return expression == nullptr ? Value::None() : Evaluate(*expression);
}

Value Interpreter::Mapping(const Expression& e) {
  const std::vector<Value> parts = EvaluateAll(e.operands);
  at_ = e.at;
  Dict dict;
  for (size_t i = 0; i < parts.size(); i += 2) dict.Set(parts[i], parts[i + 1]);
  return Value::Of(std::move(dict));
}

Value Interpreter::Compare(const Expression& e) {
  Value left = Evaluate(*e.operands[0]);
  for (size_t i = 0; i < e.signs.size(); ++i) {
    Value right = Evaluate(*e.operands[i + 1]);
    at_ = e.at;
    const std::string& sign = e.signs[i];
    const bool holds = sign == "=="       ? Equal(left, right, meter_)
                       : sign == "!="     ? !Equal(left, right, meter_)
                       : sign == "in"     ? Contains(right, left, meter_)
                       : sign == "not in" ? !Contains(right, left, meter_)
                                          : Ordered(sign, left, right, meter_);
    if (!holds) return Value::Bool(false);
    left = std::move(right);
  }
  return Value::Bool(true);
}

Value Interpreter::Conditional(const Expression& e) {
  if (Truth(Evaluate(*e.operands[1]))) return Evaluate(*e.operands[0]);
  if (e.operands[2] != nullptr) return Evaluate(*e.operands[2]);
  return Value::Undefined("an inline 'if' was false and has no 'else'");
}

Value Interpreter::Slice(const Expression& e) {
  const Value value = Evaluate(*e.operands[0]);
  const Value start = OrNone(e.operands[1]);
  const Value stop = OrNone(e.operands[2]);
  const Value step = OrNone(e.operands[3]);
  at_ = e.at;
  return GetSlice(value, start, stop, step, meter_);
}

// `first` is what the innermost filter gets if nothing stands before it.
Value Interpreter::ApplyFilters(const Expression& e, const Value& first) {
  const Deeper deeper(depth_, kMaxEvaluation, "expressions and statements");
  const ExpressionPtr& inner = e.operands[0];
  const bool in_chain = inner != nullptr && inner->kind == Expression::Kind::kFilter;
  const Value value = inner == nullptr ? first
                      : in_chain       ? ApplyFilters(*inner, first)
                                       : Evaluate(*inner);
  const Arguments arguments = EvaluateArguments(e.arguments);
  at_ = e.at;
  return ApplyFilter(e.name, value, arguments, meter_);
}

Arguments Interpreter::EvaluateArguments(const ArgumentList& list) {
  Arguments arguments;
  arguments.positional = EvaluateAll(list.positional);
  if (list.star != nullptr) {
    for (Value& value : Iterate(Evaluate(*list.star), meter_)) {
      arguments.positional.push_back(std::move(value));
    }
  }
  for (const auto& [name, value] : list.named) {
    arguments.named.emplace_back(name, Evaluate(*value));
  }
  if (list.double_star != nullptr) {
    const Value more = Evaluate(*list.double_star);
    if (!more.Is(Kind::kDict))
      Refuse("what stands after '**' is a mapping, not {}", TypeName(more));
    for (const auto& [key, value] : more.AsDict().items()) {
      if (!key.Is(Kind::kString)) Refuse("the name of an argument is a string");
      arguments.named.emplace_back(key.AsText(), value);
    }
  }
  return arguments;
}

Value Interpreter::CallValue(const Value& callee, const Arguments& arguments) {
  switch (callee.kind()) {
    case Kind::kMacro:
      return CallMacro(callee.AsMacro(), arguments);
    case Kind::kFunction:
      return CallFunction(callee.AsFunction(), arguments, now_, meter_);
    case Kind::kMethod:
      if (callee.AsMethod().self.Is(Kind::kLoop)) {
        return CallLoopMethod(callee.AsMethod(), arguments);
      }
      return CallMethod(callee.AsMethod(), arguments, meter_);
    case Kind::kLoop:
      return CallLoop(callee, arguments);
    default:
      RequireDefined(callee);
      Refuse("'{}' object is not callable", TypeName(callee));
  }
}

Value Interpreter::CallMacro(const Macro& macro, const Arguments& arguments) {
  const Deeper deeper(calls_, kMaxCalls, "calls of macros");
  Buffer buffer;
  const Restore<Buffer*> restore(out_, &buffer);
  InScope(macro.scope->shared_from_this(), [&] {
    BindParameters(*macro.statement, arguments);
    Execute(macro.statement->body);
  });
  return Value::String(std::move(buffer.text));
}

void Interpreter::BindParameters(const MacroStatement& macro, const Arguments& arguments) {
  auto& variables = scope_->variables;
  const size_t num_parameters = macro.parameters.size();
  if (arguments.positional.size() > num_parameters && !macro.takes_varargs) {
    Refuse("macro '{}' takes not more than {} argument(s)", macro.name, num_parameters);
  }
  std::vector<Value> varargs;
  for (size_t i = 0; i < arguments.positional.size(); ++i) {
    if (i < num_parameters) {
      variables[macro.parameters[i].name] = arguments.positional[i];
    } else {
      varargs.push_back(arguments.positional[i]);
    }
  }
  Dict kwargs;
  if (macro.takes_caller) variables["caller"] = Value::Undefined("No caller defined");
  for (const auto& [name, value] : arguments.named) {
    bool known = name == "caller" && macro.takes_caller;
    for (const Parameter& parameter : macro.parameters) known = known || parameter.name == name;
    if (known) {
      const bool twice = name != "caller" && variables.contains(name);
      if (twice) Refuse("macro '{}' got two values for '{}'", macro.name, name);
      variables[name] = value;
    } else if (macro.takes_kwargs) {
      kwargs.Set(name, value);
    } else {
      Refuse("macro '{}' takes no keyword argument '{}'", macro.name, name);
    }
  }
  if (macro.takes_varargs) variables["varargs"] = Value::Tuple(std::move(varargs));
  if (macro.takes_kwargs) variables["kwargs"] = Value::Of(std::move(kwargs));
  for (const Parameter& parameter : macro.parameters) {
    if (variables.contains(parameter.name)) continue;
    variables[parameter.name] =
        parameter.fallback != nullptr
            ? Evaluate(*parameter.fallback)
            : Value::Undefined(fmt::format("parameter '{}' was not provided", parameter.name));
  }
}

Value Interpreter::CallLoop(const Value& loop, const Arguments& arguments) {
  const LoopState& state = loop.AsLoop();
  if (state.recursive == nullptr) Refuse("'loop' is called, but the loop is not 'recursive'");
  const Bound bound("loop", "iterable", 1, arguments);
  const Deeper deeper(calls_, kMaxCalls, "recursive loops");
  Buffer buffer;
  const Restore<Buffer*> restore(out_, &buffer);
  InScope(state.scope, [&] { Loop(*state.recursive, bound[0], state.depth + 1); });
  return Value::String(std::move(buffer.text));
}

Value Interpreter::CallLoopMethod(const Method& method, const Arguments& arguments) {
  LoopState& loop = method.self.AsLoop();
  const std::vector<Value>& given = arguments.positional;
  if (!arguments.named.empty()) Refuse("loop.{}() takes no named arguments", method.name);
  if (method.name == "cycle") {
    if (given.empty()) Refuse("no items for cycling given");
    return given[loop.index % given.size()];
  }
  bool same = loop.has_changed && loop.changed.size() == given.size();
  for (size_t i = 0; same && i < given.size(); ++i) {
    same = Equal(loop.changed[i], given[i], meter_);
  }
  loop.changed = given;
  loop.has_changed = true;
  return Value::Bool(!same);
}

}  // namespace bitloss::templates

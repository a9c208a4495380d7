#include "bitloss/templates/compare.h"
#include "bitloss/templates/functions.h"
#include "bitloss/templates/interpreter.h"
#include "bitloss/templates/print.h"

namespace bitloss::templates {

std::string Interpreter::Run(const Body& body, const Dict& variables) {
  for (const std::string_view name : FunctionNames()) {
    scope_->variables[std::string(name)] = Value::Of(Function{std::string(name)});
  }
  for (const auto& [key, value] : variables.items()) scope_->variables[key.AsText()] = value;
  Buffer out;
  const Restore<Buffer*> restore(out_, &out);
  Execute(body);
  return std::move(out.text);
}

Interpreter::Flow Interpreter::Execute(const Body& body) {
  for (const auto& statement : body) {
    const Flow flow = Execute(*statement);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::Execute(const Statement& statement) {
  using Of = Statement::Kind;
  at_ = statement.at;
  const Deeper deeper(depth_, kMaxEvaluation, "expressions and statements");
  meter_.Step();
  switch (statement.kind) {
    case Of::kText:
      Print(statement.text);
      break;
    case Of::kOutput: {
      const Value value = Evaluate(*statement.value);
      at_ = statement.value->at;
      Print(Str(value, meter_));
      break;
    }
    case Of::kIf:
      return If(statement);
    case Of::kFor:
      For(statement);
      break;
    case Of::kSet:
      Assign(statement.target, Evaluate(*statement.value));
      break;
    case Of::kSetBlock: {
      Value text = Value::String(Captured(statement.body));
      if (statement.value != nullptr) text = ApplyFilters(*statement.value, text);
      Assign(statement.target, text);
      break;
    }
    case Of::kMacro:
      scope_->variables[statement.macro->name] = MakeMacro(*statement.macro);
      break;
    case Of::kCall:
      Call(statement);
      break;
    case Of::kFilter:
      Print(Str(ApplyFilters(*statement.value, Value::String(Captured(statement.body))), meter_));
      break;
    case Of::kWith:
      With(statement);
      break;
    case Of::kGeneration:
      Print(Captured(statement.body));
      break;
    case Of::kBreak:
      return Flow::kBreak;
    case Of::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::If(const Statement& statement) {
  return Execute(Truth(Evaluate(*statement.condition)) ? statement.body : statement.orelse);
}

void Interpreter::For(const Statement& statement) {
  const Value over = Evaluate(*statement.value);
  at_ = statement.value->at;
  Loop(statement, over, 0);
}

std::vector<Value> Interpreter::LoopItems(const Statement& statement, const Value& over) {
  std::vector<Value> items = Iterate(over, meter_);
  if (statement.condition == nullptr) return items;
  std::vector<Value> kept;
  for (const Value& item : items) {
    const bool keeps = InScope(scope_, [&] {
      Assign(statement.target, item);
      return Truth(Evaluate(*statement.condition));
    });
    if (keeps) kept.push_back(item);
  }
  return kept;
}

void Interpreter::Loop(const Statement& statement, const Value& over, size_t depth) {
  const auto loop = std::make_shared<LoopState>();
  loop->items = LoopItems(statement, over);
  loop->depth = depth;
  if (statement.recursive) {
    loop->recursive = &statement;
    loop->scope = scope_;
  }
  bool completed = false;  // whether a pass reached its end
  for (; loop->index < loop->items.size(); ++loop->index) {
    meter_.Step();
    const Flow flow = InScope(scope_, [&] {
      scope_->variables["loop"] = Value::LoopOf(loop);
      Assign(statement.target, loop->items[loop->index]);
      return Execute(statement.body);
    });
    if (flow == Flow::kBreak) break;
    completed = completed || flow == Flow::kNext;
  }
  if (!completed) {
    InScope(scope_, [&] { Execute(statement.orelse); });
  }
}

void Interpreter::Call(const Statement& statement) {
  const Expression& call = *statement.value;
  const Value callee = Evaluate(*call.operands[0]);
  Arguments arguments = EvaluateArguments(call.arguments);
  arguments.named.emplace_back("caller", MakeMacro(*statement.macro));
  at_ = call.at;
  Print(Str(CallValue(callee, arguments), meter_));
}

void Interpreter::With(const Statement& statement) {
  std::vector<Value> values;
  for (const auto& [target, value] : statement.with) values.push_back(Evaluate(*value));
  InScope(scope_, [&] {
    for (size_t i = 0; i < values.size(); ++i) Assign(statement.with[i].first, values[i]);
    Execute(statement.body);
  });
}

void Interpreter::Assign(const Target& target, const Value& value) {
  if (target.is_tuple) return Unpack(target, value);
  if (!target.attribute) {
    scope_->variables[target.name] = value;
    return;
  }
  at_ = target.at;
  const Value* space = scope_->Find(target.name);
  if (space == nullptr || !space->Is(Kind::kNamespace)) {
    Refuse("cannot assign attribute on non-namespace object '{}'", target.name);
  }
  SetAttribute(space->AsNamespace(), *target.attribute, value);
}

void Interpreter::Unpack(const Target& target, const Value& value) {
  at_ = target.at;
  if (value.Is(Kind::kNone) || value.IsNumber()) {
    Refuse("cannot unpack non-iterable {} object", TypeName(value));
  }
  const std::vector<Value> items = Iterate(value, meter_);
  if (items.size() != target.parts.size()) {
    Refuse("{} values to unpack (expected {})",
           items.size() > target.parts.size() ? "too many" : "not enough", target.parts.size());
  }
  for (size_t i = 0; i < items.size(); ++i) Assign(target.parts[i], items[i]);
}

void Interpreter::Print(std::string_view text) {
  out_->text += text;
  meter_.Grown(out_->text.size(), out_->charged);
}

std::string Interpreter::Captured(const Body& body) {
  Buffer buffer;
  const Restore<Buffer*> restore(out_, &buffer);
  InScope(scope_, [&] { Execute(body); });
  return std::move(buffer.text);
}

Value Interpreter::MakeMacro(const MacroStatement& macro) {
  if (captured_.empty() || captured_.back() != scope_) captured_.push_back(scope_);
  return Value::Of(Macro{&macro, scope_.get()});
}

}  // namespace bitloss::templates

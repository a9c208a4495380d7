#ifndef BITLOSS_TEMPLATES_INTERPRETER_H_
#define BITLOSS_TEMPLATES_INTERPRETER_H_

#include <memory>
#include <string>
#include <vector>

#include "bitloss/templates/arguments.h"
#include "bitloss/templates/ast.h"
#include "bitloss/templates/local_time.h"
#include "bitloss/templates/meter.h"
#include "bitloss/templates/scope.h"

namespace bitloss::templates {

// One rendering. Throws a Refusal; then at() is where.
class Interpreter {
 public:
  Interpreter(const LocalTime& now, size_t input_bytes) : now_(now), meter_(input_bytes) {}

  std::string Run(const Body& body, const Dict& variables);

  Position at() const { return at_; }

 private:
  enum class Flow { kNext, kBreak, kContinue };

  // Text that is being made: the output, what a macro returns, what a block is set to.
  struct Buffer {
    std::string text;
    size_t charged = 0;
  };

  // statements.cc
  Flow Execute(const Body& body);
  Flow Execute(const Statement& statement);
  Flow If(const Statement& statement);
  void For(const Statement& statement);
  void Loop(const Statement& statement, const Value& over, size_t depth);
  std::vector<Value> LoopItems(const Statement& statement, const Value& over);
  void Call(const Statement& statement);
  void With(const Statement& statement);
  void Assign(const Target& target, const Value& value);
  void Unpack(const Target& target, const Value& value);
  void Print(std::string_view text);
  // What `body` prints, in a scope of its own.
  std::string Captured(const Body& body);
  Value MakeMacro(const MacroStatement& macro);

  // evaluation.cc
  Value Evaluate(const Expression& e);
  Value Lookup(const Expression& e);
  Value Mapping(const Expression& e);
  Value Compare(const Expression& e);
  Value Conditional(const Expression& e);
  Value Slice(const Expression& e);
  Value ApplyFilters(const Expression& e, const Value& first);
  std::vector<Value> EvaluateAll(const std::vector<ExpressionPtr>& expressions);
  Value OrNone(const ExpressionPtr& expression);
  Arguments EvaluateArguments(const ArgumentList& list);
  Value CallValue(const Value& callee, const Arguments& arguments);
  Value CallMacro(const Macro& macro, const Arguments& arguments);
  void BindParameters(const MacroStatement& macro, const Arguments& arguments);
  Value CallLoop(const Value& loop, const Arguments& arguments);
  Value CallLoopMethod(const Method& method, const Arguments& arguments);

  // Runs `run` in a new scope inside `parent`.
  template <class Run>
  auto InScope(std::shared_ptr<Scope> parent, Run run) {
    auto inner = std::make_shared<Scope>();
    inner->parent = std::move(parent);
    const Restore<std::shared_ptr<Scope>> restore(scope_, std::move(inner));
    return run();
  }

  // Another value for as long as it lives.
  template <class T>
  class Restore {
   public:
    Restore(T& place, T value) : place_(place), old_(std::exchange(place, std::move(value))) {}
    ~Restore() { place_ = std::move(old_); }
    Restore(const Restore&) = delete;
    Restore& operator=(const Restore&) = delete;

   private:
    T& place_;
    T old_;
  };

  const LocalTime& now_;
  Meter meter_;
  std::shared_ptr<Scope> scope_ = std::make_shared<Scope>();
  std::vector<std::shared_ptr<Scope>> captured_;  // scopes in which a macro was defined
  Buffer* out_ = nullptr;
  Position at_;
  size_t depth_ = 0;  // of expressions and statements
  size_t calls_ = 0;  // of macros and recursive loops
};

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_INTERPRETER_H_

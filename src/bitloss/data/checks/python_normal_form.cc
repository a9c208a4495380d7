// MakePython: the rules by which equal expressions become one tree.
#include <algorithm>
#include <cmath>

#include "bitloss/base/result.h"
#include "bitloss/data/checks/python_expression.h"

namespace bitloss {
namespace {

using Expression = PythonExpression;

constexpr double kMaxPower = 6;

std::optional<double> NumberIn(const Expression& e) {
  if (!e.op.starts_with("num ")) return std::nullopt;
  return std::stod(e.op.substr(4));
}
Expression Number(double value) { return {fmt::format("num {}", value)}; }
bool IsNumber(const Expression& e, double value) { return NumberIn(e) == value; }

bool HasText(const Expression& e) {
  return e.op.starts_with("str ") || e.op == "display" || std::ranges::any_of(e.args, HasText);
}
void Sort(std::vector<Expression>& args) {
  std::ranges::stable_sort(args, {}, [](const Expression& e) { return e.Text(); });
}

// + and *: flat, the constants as one, in one order; of texts, whose order counts, only flat.
Expression Chain(std::string_view op, std::vector<Expression> args) {
  const double neutral = op == "+" ? 0 : 1;
  double constant = neutral;
  std::vector<Expression> terms;
  const auto add = [&](const Expression& e) {
    const std::optional<double> number = NumberIn(e);
    if (!number) return terms.push_back(e);
    constant = op == "+" ? constant + *number : constant * *number;
  };
  const bool text = std::ranges::any_of(args, HasText);
  for (const Expression& arg : args) {
    if (arg.op == op) {
      std::ranges::for_each(arg.args, add);
    } else {
      add(arg);
    }
  }
  if (terms.empty()) return Number(constant);
  if (constant != neutral) terms.push_back(Number(constant));
  if (!text) Sort(terms);
  return terms.size() == 1 ? terms.front() : Expression{std::string(op), std::move(terms)};
}

bool IsRemainderOfTwo(const Expression& e) { return e.op == "%" && IsNumber(e.args[1], 2); }

// The remainder of two as a truth value: it is 1.
Expression Truth(Expression e) {
  if (IsRemainderOfTwo(e)) return MakePython("==", {std::move(e), Number(1)});
  return e;
}

Expression Equal(Expression a, Expression b) {
  std::vector<Expression> args = {std::move(a), std::move(b)};
  Sort(args);
  return {"==", std::move(args)};
}

Expression Not(const Expression& operand) {
  const Expression e = Truth(operand);
  if (e.op == "not") return e.args[0];
  if (e.op == "<") return MakePython("<=", {e.args[1], e.args[0]});
  if (e.op == "<=") return MakePython("<", {e.args[1], e.args[0]});
  if (e.op == "const True") return PythonConstant("False");
  if (e.op == "const False") return PythonConstant("True");
  if (e.op == "==") {
    for (size_t i = 0; i < 2; ++i) {
      if (!IsRemainderOfTwo(e.args[i])) continue;
      if (IsNumber(e.args[1 - i], 0)) return Equal(e.args[i], Number(1));
      if (IsNumber(e.args[1 - i], 1)) return Equal(e.args[i], Number(0));
    }
  }
  return {"not", {e}};
}

Expression If(const Expression& raw, Expression then, Expression otherwise) {
  const Expression condition = Truth(raw);
  if (condition.op == "not" || condition.op == "<=") {
    return MakePython("if", {Not(condition), std::move(otherwise), std::move(then)});
  }
  if (then.Text() == otherwise.Text()) return then;
  const bool is_truth = condition.op == "==" || condition.op == "<";
  if (is_truth && then.op == "const True" && otherwise.op == "const False") return condition;
  if (then.op == "const False" && otherwise.op == "const True") return Not(condition);
  return {"if", {condition, std::move(then), std::move(otherwise)}};
}

Expression Power(Expression base, Expression exponent) {
  const std::optional<double> power = NumberIn(exponent);
  if (power && *power >= 2 && *power <= kMaxPower && std::floor(*power) == *power) {
    return Chain("*", std::vector<Expression>(static_cast<size_t>(*power), base));
  }
  return {"**", {std::move(base), std::move(exponent)}};
}

// sum((a, b)), min([a, b]) and the like.
Expression Call(std::string_view op, std::vector<Expression> args) {
  if (args.size() == 1 && args[0].op == "display" && !args[0].args.empty()) {
    if (op == "call sum") return Chain("+", args[0].args);
    if (op == "call min" || op == "call max") args = std::vector<Expression>(args[0].args);
  }
  if (op == "call min" || op == "call max") Sort(args);
  if (op == "call pow" && args.size() == 2) return Power(args[0], args[1]);
  if (op == "call bool" && args.size() == 1) return Truth(args[0]);
  return {std::string(op), std::move(args)};
}

Expression Comparison(std::string_view op, Expression a, Expression b) {
  if (op == ">") return {"<", {std::move(b), std::move(a)}};
  if (op == ">=") return {"<=", {std::move(b), std::move(a)}};
  if (op == "!=") return Not(Equal(std::move(a), std::move(b)));
  if (op == "==") return Equal(std::move(a), std::move(b));
  return {std::string(op), {std::move(a), std::move(b)}};
}

}  // namespace

PythonExpression MakePython(std::string_view op, std::vector<PythonExpression> args) {
  if (op == "not") return Not(args[0]);
  if (op == "if") return If(args[0], args[1], args[2]);
  if (op.starts_with("call")) return Call(op, std::move(args));
  if (op == "+" || op == "*") return Chain(op, std::move(args));
  if (args.size() != 2) return {std::string(op), std::move(args)};
  PythonExpression a = std::move(args[0]);
  PythonExpression b = std::move(args[1]);
  if (op == "-") return Chain("+", {std::move(a), Chain("*", {Number(-1), std::move(b)})});
  if (op == "**") return Power(std::move(a), std::move(b));
  if (op == "&" && IsNumber(b, 1)) return {"%", {std::move(a), Number(2)}};
  if (op == "/" && NumberIn(b).value_or(0) != 0) {
    return Chain("*", {Number(1 / *NumberIn(b)), std::move(a)});
  }
  if (op == "==" || op == "!=" || op == "<" || op == ">" || op == "<=" || op == ">=") {
    return Comparison(op, std::move(a), std::move(b));
  }
  return {std::string(op), {std::move(a), std::move(b)}};
}

}  // namespace bitloss

// Python expressions as trees in a normal form: what the language defines to be equal, or
// arithmetic does, is one tree. `b + a` is `a + b`, `x ** 2` is `x * x`, `not n % 2` is `n % 2 ==
// 0`, `a if a > b else b` is what `b if b >= a else a` would be but for ties. Nothing is evaluated
// but constants.
#ifndef BITLOSS_DATA_CHECKS_PYTHON_EXPRESSION_H_
#define BITLOSS_DATA_CHECKS_PYTHON_EXPRESSION_H_

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bitloss/data/checks/python_tokens.h"

namespace bitloss {

struct PythonExpression {
  std::string op;  // an operator, or a leaf: "name x", "num 2", "str abc", "const None"
  std::vector<PythonExpression> args = {};

  // The tree in one line; equal exactly for equal trees.
  std::string Text() const;
  // Whether it is made only of operators, constants, names and built-ins whose meaning is known
  // here, so that two different trees may be called different.
  bool IsUnderstood() const;
};

// What the names of a function stand for: each is replaced where it is read.
using PythonNames = std::map<std::string, PythonExpression, std::less<>>;

PythonExpression PythonConstant(std::string_view name);  // "None", "True", "False"
PythonExpression PythonUnknown();

// One of the language's operations over `args`, in normal form.
PythonExpression MakePython(std::string_view op, std::vector<PythonExpression> args);

// All of `tokens` as one expression; unknown if it is a form that is not read (a comprehension, a
// lambda, an f-string). None if it is no expression.
std::optional<PythonExpression> ParsePythonExpression(std::span<const PythonToken> tokens,
                                                      const PythonNames& names);

}  // namespace bitloss

#endif  // BITLOSS_DATA_CHECKS_PYTHON_EXPRESSION_H_

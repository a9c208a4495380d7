// What a Python function returns, read from its text: nothing is run.
#ifndef BITLOSS_DATA_CHECKS_PYTHON_FUNCTION_H_
#define BITLOSS_DATA_CHECKS_PYTHON_FUNCTION_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/data/checks/python_expression.h"

namespace bitloss {

struct PythonParameter {
  std::string name;
  bool has_default = false;
};

struct PythonFunction {
  std::string name;
  std::vector<PythonParameter> parameters;
  // Over the parameters, in normal form; `if` where branches return different things, "const None"
  // where nothing is returned; unknown where it is not read (loops, imports in use, decorators).
  PythonExpression returned;
};

// The last function of that name at the outermost level, defined by `def` or `name = lambda`; of
// any name for "_". None if there is none.
std::optional<PythonFunction> FindPythonFunction(std::string_view code, std::string_view name);

}  // namespace bitloss

#endif  // BITLOSS_DATA_CHECKS_PYTHON_FUNCTION_H_

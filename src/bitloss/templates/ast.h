// A template as it is run: expressions and statements, each with its place in the source.
#ifndef BITLOSS_TEMPLATES_AST_H_
#define BITLOSS_TEMPLATES_AST_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bitloss/templates/refusal.h"
#include "bitloss/templates/value.h"

namespace bitloss::templates {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

// What stands between the parentheses of a call, a filter or a test.
struct ArgumentList {
  struct Named {
    std::string name;
    ExpressionPtr value;
  };
  std::vector<ExpressionPtr> positional;
  std::vector<Named> named;
  ExpressionPtr star;         // *args
  ExpressionPtr double_star;  // **kwargs
};

struct Expression {
  enum class Kind {
    kConstant,  // value
    kName,      // name
    kList,      // operands
    kTuple,     // operands
    kDict,      // operands: key, value, key, value, ...
    kUnary,     // name: not - +
    kBinary,    // name: + - * / // % **
    kAnd,       // operands[0] and operands[1]
    kOr,
    kConcat,     // ~ of all operands
    kCompare,    // operands[0] signs[0] operands[1] signs[1] ...
    kCondition,  // operands: if-value, condition, else-value or null
    kAttribute,  // operands[0].name
    kItem,       // operands[0][operands[1]]
    kSlice,      // operands[0][operands[1]:operands[2]:operands[3]], each but the first may be null
    kCall,       // operands[0](arguments)
    kFilter,     // operands[0] | name(arguments); no operand inside {% filter %}
    kTest,       // operands[0] is name(arguments)
  };
  Kind kind;
  Position at;
  size_t height = 1;  // of the tree below; bounded, because trees are walked by recursion
  std::string name = {};
  Value value = {};
  std::vector<ExpressionPtr> operands = {};
  std::vector<std::string> signs = {};
  ArgumentList arguments = {};
};

struct Statement;
using Body = std::vector<std::unique_ptr<Statement>>;

// Where `set` and `for` put a value: a name, an attribute of a namespace, or a tuple of targets.
struct Target {
  Position at;
  std::string name = {};
  std::optional<std::string> attribute = {};
  std::vector<Target> parts = {};
  bool is_tuple = false;
};

struct Parameter {
  std::string name;
  ExpressionPtr fallback;  // null: none
};

struct Statement {
  enum class Kind {
    kText,
    kOutput,
    kIf,        // condition, body, orelse
    kFor,       // target, value, condition or null, body, orelse
    kSet,       // target, value
    kSetBlock,  // target, body, value: filters of the text or null
    kMacro,
    kCall,        // value: the call; the block is `macro`
    kFilter,      // value: the filters, body
    kWith,        // targets and values, body
    kGeneration,  // body
    kBreak,
    kContinue,
  };
  Kind kind;
  Position at;
  std::string text = {};
  Target target = {};
  ExpressionPtr value = {};
  ExpressionPtr condition = {};
  bool recursive = false;
  Body body = {};
  Body orelse = {};
  std::vector<std::pair<Target, ExpressionPtr>> with = {};
  std::unique_ptr<MacroStatement> macro = {};
};

struct MacroStatement {
  std::string name;
  std::vector<Parameter> parameters;
  Body body;
  // Whether the body mentions them; only then may a call have more arguments than parameters.
  bool takes_varargs = false;
  bool takes_kwargs = false;
  bool takes_caller = false;
};

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_AST_H_

#ifndef BITLOSS_TEMPLATES_EXPRESSION_PARSER_H_
#define BITLOSS_TEMPLATES_EXPRESSION_PARSER_H_

#include <vector>

#include "bitloss/templates/ast.h"
#include "bitloss/templates/token_stream.h"

namespace bitloss::templates {

// Parses expressions by recursive descent, one function for each level of precedence, loosest
// first. An unknown filter or test is refused here, as Jinja does when it compiles, unless it
// stands where only a taken branch reaches it: in an `if` statement or an inline `if`.
class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& tokens) : tokens_(tokens) {}

  ExpressionPtr Parse();  // with an inline `if`
  // `a, b` is a tuple, `a` is not.
  ExpressionPtr ParseTuple();
  // What `for` goes over: no inline `if`, because `if` there filters the items.
  ExpressionPtr ParseLoopItems();
  // `| f | g(x)`, or with `first` and no sign before it `f | g(x)`; null if there is none.
  enum class First { kAfterSign, kAtOnce };
  ExpressionPtr ParseFilters(First first);

  // Whether what is parsed now is reached only if a branch is taken. The body of a loop, a macro
  // and the like begins anew.
  bool in_branch = false;

  // Macros whose body is being parsed, to be told of their special names.
  std::vector<MacroStatement*> macros;

  // Refuses the first unknown filter or test of what was parsed since, unless an inline `if` that
  // came after it showed that it stands in a branch.
  void CheckNames();

  size_t& depth() { return depth_; }

 private:
  ExpressionPtr Or();
  ExpressionPtr And();
  ExpressionPtr Not();
  ExpressionPtr Compare();
  ExpressionPtr Sum();
  ExpressionPtr Concat();
  ExpressionPtr Product();
  ExpressionPtr Power();
  enum class Filters { kTake, kLeave };
  ExpressionPtr Unary(Filters filters);
  ExpressionPtr Primary();
  ExpressionPtr Postfix(ExpressionPtr node);
  ExpressionPtr FiltersAndTests(ExpressionPtr node);
  ExpressionPtr Filter(ExpressionPtr node);
  ExpressionPtr Test(ExpressionPtr node);
  ExpressionPtr Condition(ExpressionPtr node);
  ExpressionPtr Attribute(ExpressionPtr node);
  ExpressionPtr Subscript(ExpressionPtr node);
  ExpressionPtr Slice(ExpressionPtr node);
  ExpressionPtr Call(ExpressionPtr node);
  ExpressionPtr Name();
  ExpressionPtr Number();
  ExpressionPtr Strings();
  ExpressionPtr Parentheses();
  ExpressionPtr List();
  ExpressionPtr Dict();
  ArgumentList Arguments();
  void Argument(ArgumentList& arguments);
  ExpressionPtr TupleUntil(ExpressionPtr (ExpressionParser::*item)());
  bool AtTupleEnd() const;

  void Know(bool is_known, std::string_view what, const Token& name);

  TokenStream& tokens_;
  std::vector<Refusal> unknown_;  // filters and tests
  size_t depth_ = 0;
};

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_EXPRESSION_PARSER_H_

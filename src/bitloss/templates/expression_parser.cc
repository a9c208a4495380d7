#include "bitloss/templates/expression_parser.h"

#include <charconv>

#include "bitloss/templates/filters.h"
#include "bitloss/templates/meter.h"
#include "bitloss/templates/numbers.h"
#include "bitloss/templates/value_tests.h"

namespace bitloss::templates {
namespace {

ExpressionPtr Node(Expression::Kind kind, Position at, std::string name = {}) {
  auto node = std::make_unique<Expression>();
  node->kind = kind;
  node->at = at;
  node->name = std::move(name);
  return node;
}

// Adds operands, and holds the height of the tree against its bound.
template <class... Operands>
ExpressionPtr With(ExpressionPtr node, Operands... operands) {
  (node->operands.push_back(std::move(operands)), ...);
  const auto count = [&](const ExpressionPtr& child) {
    if (child != nullptr) node->height = std::max(node->height, child->height + 1);
  };
  for (const ExpressionPtr& operand : node->operands) count(operand);
  for (const ExpressionPtr& argument : node->arguments.positional) count(argument);
  for (const auto& argument : node->arguments.named) count(argument.value);
  count(node->arguments.star);
  count(node->arguments.double_star);
  if (node->height > kMaxEvaluation / 2) RefuseAt(node->at, "an expression that is too deep");
  return node;
}

bool IsConstantName(std::string_view name) {
  return name == "true" || name == "false" || name == "none" || name == "True" || name == "False" ||
         name == "None";
}

}  // namespace

ExpressionPtr ExpressionParser::Parse() {
  const Deeper deeper(depth_, kMaxNesting, "brackets and blocks");
  const size_t num_unknown = unknown_.size();
  ExpressionPtr value = Or();
  if (tokens_.IsName("if")) unknown_.resize(num_unknown);
  return Condition(std::move(value));
}

void ExpressionParser::Know(bool is_known, std::string_view what, const Token& name) {
  if (is_known || in_branch) return;
  unknown_.push_back({fmt::format("no {} named '{}'", what, name.text), name.at});
}

void ExpressionParser::CheckNames() {
  if (!unknown_.empty()) throw unknown_.front();
}

ExpressionPtr ExpressionParser::Condition(ExpressionPtr node) {
  while (tokens_.IsName("if")) {
    const Position at = tokens_.Take().at;
    const bool outside = std::exchange(in_branch, true);
    ExpressionPtr condition = Or();
    ExpressionPtr otherwise;
    if (tokens_.TakeName("else")) otherwise = Parse();
    in_branch = outside;
    node = With(Node(Expression::Kind::kCondition, at), std::move(node), std::move(condition),
                std::move(otherwise));
  }
  return node;
}

ExpressionPtr ExpressionParser::Or() {
  ExpressionPtr left = And();
  while (tokens_.IsName("or")) {
    const Position at = tokens_.Take().at;
    left = With(Node(Expression::Kind::kOr, at), std::move(left), And());
  }
  return left;
}

ExpressionPtr ExpressionParser::And() {
  ExpressionPtr left = Not();
  while (tokens_.IsName("and")) {
    const Position at = tokens_.Take().at;
    left = With(Node(Expression::Kind::kAnd, at), std::move(left), Not());
  }
  return left;
}

ExpressionPtr ExpressionParser::Not() {
  if (!tokens_.IsName("not")) return Compare();
  const Deeper deeper(depth_, kMaxNesting, "brackets and blocks");
  const Position at = tokens_.Take().at;
  return With(Node(Expression::Kind::kUnary, at, "not"), Not());
}

ExpressionPtr ExpressionParser::Compare() {
  ExpressionPtr first = Sum();
  ExpressionPtr node;
  for (;;) {
    const Position at = tokens_.Now().at;
    std::string sign;
    for (const std::string_view known : {"==", "!=", "<", "<=", ">", ">="}) {
      if (tokens_.IsOperator(known)) sign = known;
    }
    if (tokens_.IsName("in")) sign = "in";
    if (tokens_.IsName("not") && tokens_.NextIsName("in")) sign = "not in";
    if (sign.empty()) break;
    tokens_.Take();
    if (sign == "not in") tokens_.Take();
    if (node == nullptr) node = With(Node(Expression::Kind::kCompare, at), std::move(first));
    node->signs.push_back(std::move(sign));
    node = With(std::move(node), Sum());
  }
  return node == nullptr ? std::move(first) : std::move(node);
}

ExpressionPtr ExpressionParser::Sum() {
  ExpressionPtr left = Concat();
  while (tokens_.IsOperator("+") || tokens_.IsOperator("-")) {
    const Token& sign = tokens_.Take();
    left = With(Node(Expression::Kind::kBinary, sign.at, sign.text), std::move(left), Concat());
  }
  return left;
}

ExpressionPtr ExpressionParser::Concat() {
  ExpressionPtr first = Product();
  if (!tokens_.IsOperator("~")) return first;
  ExpressionPtr node = With(Node(Expression::Kind::kConcat, tokens_.Now().at), std::move(first));
  while (tokens_.TakeOperator("~")) node = With(std::move(node), Product());
  return node;
}

ExpressionPtr ExpressionParser::Product() {
  ExpressionPtr left = Power();
  while (tokens_.IsOperator("*") || tokens_.IsOperator("/") || tokens_.IsOperator("//") ||
         tokens_.IsOperator("%")) {
    const Token& sign = tokens_.Take();
    left = With(Node(Expression::Kind::kBinary, sign.at, sign.text), std::move(left), Power());
  }
  return left;
}

ExpressionPtr ExpressionParser::Power() {
  ExpressionPtr left = Unary(Filters::kTake);
  while (tokens_.IsOperator("**")) {
    const Position at = tokens_.Take().at;
    left = With(Node(Expression::Kind::kBinary, at, "**"), std::move(left), Unary(Filters::kTake));
  }
  return left;
}

ExpressionPtr ExpressionParser::Unary(Filters filters) {
  ExpressionPtr node;
  if (tokens_.IsOperator("-") || tokens_.IsOperator("+")) {
    const Deeper deeper(depth_, kMaxNesting, "brackets and blocks");
    const Token& sign = tokens_.Take();
    node = With(Node(Expression::Kind::kUnary, sign.at, sign.text), Unary(Filters::kLeave));
  } else {
    node = Primary();
  }
  node = Postfix(std::move(node));
  return filters == Filters::kTake ? FiltersAndTests(std::move(node)) : std::move(node);
}

ExpressionPtr ExpressionParser::Primary() {
  switch (tokens_.Now().kind) {
    case Token::Kind::kName:
      return Name();
    case Token::Kind::kString:
      return Strings();
    case Token::Kind::kInteger:
    case Token::Kind::kFloat:
      return Number();
    default:
      if (tokens_.IsOperator("(")) return Parentheses();
      if (tokens_.IsOperator("[")) return List();
      if (tokens_.IsOperator("{")) return Dict();
      tokens_.Unexpected("an expression");
  }
}

ExpressionPtr ExpressionParser::Name() {
  const Token& token = tokens_.Take();
  if (!IsConstantName(token.text)) {
    for (MacroStatement* macro : macros) {
      if (token.text == "varargs") macro->takes_varargs = true;
      if (token.text == "kwargs") macro->takes_kwargs = true;
      if (token.text == "caller") macro->takes_caller = true;
    }
    return Node(Expression::Kind::kName, token.at, token.text);
  }
  ExpressionPtr node = Node(Expression::Kind::kConstant, token.at);
  const char letter = token.text[0];
  if (letter == 't' || letter == 'T') node->value = Value::Bool(true);
  if (letter == 'f' || letter == 'F') node->value = Value::Bool(false);
  return node;
}

ExpressionPtr ExpressionParser::Number() {
  const Token& token = tokens_.Take();
  ExpressionPtr node = Node(Expression::Kind::kConstant, token.at);
  node->value = token.kind == Token::Kind::kFloat ? Value::Float(ParseFloat(token.text).value())
                                                  : ParseIntegerLiteral(token.text);
  return node;
}

ExpressionPtr ExpressionParser::Strings() {
  ExpressionPtr node = Node(Expression::Kind::kConstant, tokens_.Now().at);
  std::string text;
  while (tokens_.Is(Token::Kind::kString)) text += tokens_.Take().text;
  node->value = Value::String(std::move(text));
  return node;
}

ExpressionPtr ExpressionParser::Parentheses() {
  const Position at = tokens_.Take().at;
  ExpressionPtr node;
  if (tokens_.IsOperator(")")) {
    node = Node(Expression::Kind::kTuple, at);
  } else {
    node = TupleUntil(&ExpressionParser::Parse);
  }
  tokens_.ExpectOperator(")");
  return node;
}

ExpressionPtr ExpressionParser::List() {
  ExpressionPtr node = Node(Expression::Kind::kList, tokens_.Take().at);
  while (!tokens_.IsOperator("]")) {
    node = With(std::move(node), Parse());
    if (!tokens_.IsOperator("]")) tokens_.ExpectOperator(",");
  }
  tokens_.Take();
  return node;
}

ExpressionPtr ExpressionParser::Dict() {
  ExpressionPtr node = Node(Expression::Kind::kDict, tokens_.Take().at);
  while (!tokens_.IsOperator("}")) {
    ExpressionPtr key = Parse();
    tokens_.ExpectOperator(":");
    node = With(std::move(node), std::move(key), Parse());
    if (!tokens_.IsOperator("}")) tokens_.ExpectOperator(",");
  }
  tokens_.Take();
  return node;
}

bool ExpressionParser::AtTupleEnd() const {
  return tokens_.Is(Token::Kind::kOutputEnd) || tokens_.Is(Token::Kind::kBlockEnd) ||
         tokens_.IsOperator(")") || tokens_.IsName("recursive");
}

ExpressionPtr ExpressionParser::TupleUntil(ExpressionPtr (ExpressionParser::*item)()) {
  const Position at = tokens_.Now().at;
  ExpressionPtr first = (this->*item)();
  if (!tokens_.IsOperator(",")) return first;
  ExpressionPtr tuple = With(Node(Expression::Kind::kTuple, at), std::move(first));
  while (tokens_.TakeOperator(",")) {
    if (AtTupleEnd()) break;
    tuple = With(std::move(tuple), (this->*item)());
  }
  return tuple;
}

ExpressionPtr ExpressionParser::ParseTuple() { return TupleUntil(&ExpressionParser::Parse); }
ExpressionPtr ExpressionParser::ParseLoopItems() { return TupleUntil(&ExpressionParser::Or); }

ExpressionPtr ExpressionParser::Postfix(ExpressionPtr node) {
  for (;;) {
    if (tokens_.IsOperator(".")) {
      node = Attribute(std::move(node));
    } else if (tokens_.IsOperator("[")) {
      node = Subscript(std::move(node));
    } else if (tokens_.IsOperator("(")) {
      node = Call(std::move(node));
    } else {
      return node;
    }
  }
}

ExpressionPtr ExpressionParser::Attribute(ExpressionPtr node) {
  const Position at = tokens_.Take().at;
  if (tokens_.Is(Token::Kind::kInteger)) {
    return With(Node(Expression::Kind::kItem, at), std::move(node), Number());
  }
  if (!tokens_.Is(Token::Kind::kName)) tokens_.Unexpected("a name or number");
  return With(Node(Expression::Kind::kAttribute, at, tokens_.Take().text), std::move(node));
}

ExpressionPtr ExpressionParser::Subscript(ExpressionPtr node) {
  const Position at = tokens_.Take().at;
  ExpressionPtr item;
  if (!tokens_.IsOperator(":")) item = Parse();
  if (!tokens_.IsOperator(":")) {
    tokens_.ExpectOperator("]");
    return With(Node(Expression::Kind::kItem, at), std::move(node), std::move(item));
  }
  ExpressionPtr slice = With(Node(Expression::Kind::kSlice, at), std::move(node), std::move(item));
  return Slice(std::move(slice));
}

ExpressionPtr ExpressionParser::Slice(ExpressionPtr node) {
  for (int part = 0; part < 2; ++part) {
    ExpressionPtr bound;
    if (tokens_.TakeOperator(":") && !tokens_.IsOperator(":") && !tokens_.IsOperator("]")) {
      bound = Parse();
    }
    node = With(std::move(node), std::move(bound));
  }
  tokens_.ExpectOperator("]");
  return node;
}

ExpressionPtr ExpressionParser::Call(ExpressionPtr node) {
  ExpressionPtr call = Node(Expression::Kind::kCall, tokens_.Now().at);
  call->arguments = Arguments();
  return With(std::move(call), std::move(node));
}

ArgumentList ExpressionParser::Arguments() {
  ArgumentList arguments;
  tokens_.ExpectOperator("(");
  while (!tokens_.IsOperator(")")) {
    Argument(arguments);
    if (!tokens_.IsOperator(")")) tokens_.ExpectOperator(",");
  }
  tokens_.Take();
  return arguments;
}

void ExpressionParser::Argument(ArgumentList& arguments) {
  const Position at = tokens_.Now().at;
  if (tokens_.TakeOperator("**")) {
    if (arguments.double_star != nullptr) RefuseAt(at, "a second '**' in a call");
    arguments.double_star = Parse();
  } else if (tokens_.TakeOperator("*")) {
    if (arguments.star != nullptr) RefuseAt(at, "a second '*' in a call");
    arguments.star = Parse();
  } else if (tokens_.Is(Token::Kind::kName) && tokens_.NextIsOperator("=")) {
    std::string name = tokens_.Take().text;
    tokens_.Take();
    arguments.named.push_back({std::move(name), Parse()});
  } else {
    const bool late =
        !arguments.named.empty() || arguments.star != nullptr || arguments.double_star != nullptr;
    if (late) RefuseAt(at, "a positional argument after a named one");
    arguments.positional.push_back(Parse());
  }
}

ExpressionPtr ExpressionParser::FiltersAndTests(ExpressionPtr node) {
  for (;;) {
    if (tokens_.TakeOperator("|")) {
      node = Filter(std::move(node));
    } else if (tokens_.IsName("is")) {
      node = Test(std::move(node));
    } else if (tokens_.IsOperator("(")) {
      node = Call(std::move(node));
    } else {
      return node;
    }
  }
}

ExpressionPtr ExpressionParser::Filter(ExpressionPtr node) {
  const Token& name = tokens_.ExpectAnyName();
  Know(IsFilter(name.text), "filter", name);
  ExpressionPtr filter = Node(Expression::Kind::kFilter, name.at, name.text);
  if (tokens_.IsOperator("(")) filter->arguments = Arguments();
  return With(std::move(filter), std::move(node));
}

ExpressionPtr ExpressionParser::ParseFilters(First first) {
  ExpressionPtr node;
  if (first == First::kAtOnce) node = Filter(nullptr);
  while (tokens_.TakeOperator("|")) node = Filter(std::move(node));
  return node;
}

ExpressionPtr ExpressionParser::Test(ExpressionPtr node) {
  const Position at = tokens_.Take().at;
  const bool negated = tokens_.TakeName("not");
  const Token& name = tokens_.ExpectAnyName();
  Know(IsTest(name.text), "test", name);
  ExpressionPtr test = Node(Expression::Kind::kTest, name.at, name.text);
  const bool name_follows = tokens_.Is(Token::Kind::kName) && !tokens_.IsName("else") &&
                            !tokens_.IsName("or") && !tokens_.IsName("and");
  if (tokens_.IsOperator("(")) {
    test->arguments = Arguments();
  } else if (name_follows || tokens_.Is(Token::Kind::kString) ||
             tokens_.Is(Token::Kind::kInteger) || tokens_.Is(Token::Kind::kFloat) ||
             tokens_.IsOperator("[") || tokens_.IsOperator("{")) {
    if (tokens_.IsName("is")) RefuseAt(tokens_.Now().at, "a second 'is' after a test");
    test->arguments.positional.push_back(Postfix(Primary()));
  }
  test = With(std::move(test), std::move(node));
  return negated ? With(Node(Expression::Kind::kUnary, at, "not"), std::move(test))
                 : std::move(test);
}

}  // namespace bitloss::templates

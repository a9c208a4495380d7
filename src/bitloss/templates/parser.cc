#include "bitloss/templates/parser.h"

#include <algorithm>
#include <utility>

#include "bitloss/templates/expression_parser.h"
#include "bitloss/templates/meter.h"

namespace bitloss::templates {
namespace {

using StatementPtr = std::unique_ptr<Statement>;

StatementPtr Node(Statement::Kind kind, Position at) {
  auto node = std::make_unique<Statement>();
  node->kind = kind;
  node->at = at;
  return node;
}

bool HasLoopName(const Target& target) {
  return target.name == "loop" ||
         std::any_of(target.parts.begin(), target.parts.end(), HasLoopName);
}

class Parser {
 public:
  explicit Parser(TokenStream tokens) : tokens_(std::move(tokens)), expressions_(tokens_) {}

  Body Run() { return Statements({}, nullptr); }

 private:
  // Up to a tag of one of the names `ends`, which is taken and returned; to the end of the template
  // if there are none. `opening` is the tag that waits for it.
  Body Statements(const std::vector<std::string_view>& ends, const Token* opening) {
    Body body;
    for (;;) {
      const Token& token = tokens_.Take();
      if (token.kind == Token::Kind::kEnd) {
        if (opening == nullptr) return body;
        RefuseAt(opening->at, "a '{}' without its '{}'", opening->text, ends.back());
      }
      if (token.kind == Token::Kind::kText) {
        body.push_back(Node(Statement::Kind::kText, token.at));
        body.back()->text = token.text;
      } else if (token.kind == Token::Kind::kOutputBegin) {
        body.push_back(Node(Statement::Kind::kOutput, token.at));
        body.back()->value = expressions_.ParseTuple();
        if (!tokens_.Is(Token::Kind::kOutputEnd)) tokens_.Unexpected("'}}'");
        expressions_.CheckNames();
        tokens_.Take();
      } else {
        if (!tokens_.Is(Token::Kind::kName)) tokens_.Unexpected("the name of a tag");
        const std::string_view name = tokens_.Now().text;
        if (std::find(ends.begin(), ends.end(), name) != ends.end()) {
          end_ = &tokens_.Take();
          return body;
        }
        body.push_back(Tag(ends));
      }
    }
  }

  Body BlockUntil(std::string_view end, const Token& opening) {
    EndTag();
    Body body = Statements({end}, &opening);
    EndTag();
    return body;
  }

  // A body that is a scope of its own: what is in a branch around it does not count.
  Body ScopeUntil(std::string_view end, const Token& opening) {
    const bool outside = std::exchange(expressions_.in_branch, false);
    Body body = BlockUntil(end, opening);
    expressions_.in_branch = outside;
    return body;
  }

  // The same for one that no loop around it can be left from.
  Body FunctionUntil(std::string_view end, const Token& opening) {
    const size_t loops = std::exchange(loops_, 0);
    Body body = ScopeUntil(end, opening);
    loops_ = loops;
    return body;
  }

  void EndTag() {
    if (!tokens_.Is(Token::Kind::kBlockEnd)) tokens_.Unexpected("'%}'");
    expressions_.CheckNames();
    tokens_.Take();
  }

  StatementPtr Tag(const std::vector<std::string_view>& ends) {
    const Deeper deeper(expressions_.depth(), kMaxNesting, "brackets and blocks");
    const Token& name = tokens_.Take();
    if (name.text == "if") return If(name);
    if (name.text == "for") return For(name);
    if (name.text == "set") return Set(name);
    if (name.text == "macro") return MacroTag(name);
    if (name.text == "call") return Call(name);
    if (name.text == "filter") return FilterTag(name);
    if (name.text == "with") return With(name);
    if (name.text == "generation") {
      StatementPtr node = Node(Statement::Kind::kGeneration, name.at);
      node->body = FunctionUntil("endgeneration", name);
      return node;
    }
    if (name.text == "break" || name.text == "continue") {
      if (loops_ == 0) RefuseAt(name.at, "'{}' outside of a loop", name.text);
      EndTag();
      return Node(name.text == "break" ? Statement::Kind::kBreak : Statement::Kind::kContinue,
                  name.at);
    }
    if (ends.empty()) RefuseAt(name.at, "unknown tag '{}'", name.text);
    RefuseAt(name.at, "unknown tag '{}' (expected '{}')", name.text,
             fmt::format("{}", fmt::join(ends, "' or '")));
  }

  StatementPtr If(const Token& name) {
    StatementPtr node = Node(Statement::Kind::kIf, name.at);
    const bool outside = std::exchange(expressions_.in_branch, true);
    node->condition = expressions_.ParseTuple();
    EndTag();
    node->body = Statements({"elif", "else", "endif"}, &name);
    const Token& end = *end_;
    if (end.text == "elif") {
      const Deeper deeper(expressions_.depth(), kMaxNesting, "brackets and blocks");
      node->orelse.push_back(If(end));
    } else {
      EndTag();
      if (end.text == "else") {
        node->orelse = Statements({"endif"}, &name);
        EndTag();
      }
    }
    expressions_.in_branch = outside;
    return node;
  }

  StatementPtr For(const Token& name) {
    StatementPtr node = Node(Statement::Kind::kFor, name.at);
    node->target = Targets();
    if (HasLoopName(node->target)) RefuseAt(node->target.at, "a loop cannot assign to 'loop'");
    tokens_.ExpectName("in");
    node->value = expressions_.ParseLoopItems();
    const bool outside = std::exchange(expressions_.in_branch, false);
    if (tokens_.TakeName("if")) node->condition = expressions_.Parse();
    node->recursive = tokens_.TakeName("recursive");
    EndTag();
    ++loops_;
    node->body = Statements({"else", "endfor"}, &name);
    --loops_;
    EndTag();
    if (end_->text == "else") {
      node->orelse = Statements({"endfor"}, &name);
      EndTag();
    }
    expressions_.in_branch = outside;
    return node;
  }

  StatementPtr Set(const Token& name) {
    StatementPtr node = Node(Statement::Kind::kSet, name.at);
    node->target = Targets();
    if (tokens_.TakeOperator("=")) {
      node->value = expressions_.ParseTuple();
      EndTag();
      return node;
    }
    node->kind = Statement::Kind::kSetBlock;
    node->value = expressions_.ParseFilters(ExpressionParser::First::kAfterSign);
    node->body = ScopeUntil("endset", name);
    return node;
  }

  // `name`, `space.name`, `a, b` or `(a, b)`.
  Target Targets() {
    Target first = OneTarget();
    if (!tokens_.IsOperator(",")) return first;
    Target all{.at = first.at, .is_tuple = true};
    all.parts.push_back(std::move(first));
    while (tokens_.TakeOperator(",")) {
      if (!tokens_.Is(Token::Kind::kName) && !tokens_.IsOperator("(")) break;
      all.parts.push_back(OneTarget());
    }
    return all;
  }

  Target OneTarget() {
    const Deeper deeper(expressions_.depth(), kMaxNesting, "brackets and blocks");
    if (tokens_.TakeOperator("(")) {
      Target inner = Targets();
      tokens_.ExpectOperator(")");
      return inner;
    }
    const Token& name = tokens_.Now();
    static constexpr std::string_view kConstants[] = {"true", "false", "none",
                                                      "True", "False", "None"};
    const bool constant = std::find(std::begin(kConstants), std::end(kConstants), name.text) !=
                              std::end(kConstants) ||
                          name.kind == Token::Kind::kInteger || name.kind == Token::Kind::kFloat ||
                          name.kind == Token::Kind::kString;
    if (constant) RefuseAt(name.at, "cannot assign to {}", Describe(name));
    Target target{.at = name.at, .name = tokens_.ExpectAnyName().text};
    if (tokens_.TakeOperator(".")) target.attribute = tokens_.ExpectAnyName().text;
    return target;
  }

  StatementPtr MacroTag(const Token& name) {
    StatementPtr node = Node(Statement::Kind::kMacro, name.at);
    node->macro = std::make_unique<MacroStatement>();
    node->macro->name = tokens_.ExpectAnyName().text;
    if (!tokens_.IsOperator("(")) tokens_.Unexpected("'('");
    Parameters(*node->macro);
    MacroBody(*node->macro, "endmacro", name);
    return node;
  }

  void MacroBody(MacroStatement& macro, std::string_view end, const Token& opening) {
    expressions_.macros.push_back(&macro);
    macro.body = FunctionUntil(end, opening);
    expressions_.macros.pop_back();
  }

  void Parameters(MacroStatement& macro) {
    tokens_.Take();
    while (!tokens_.IsOperator(")")) {
      const Token& name = tokens_.ExpectAnyName();
      const bool twice = std::any_of(macro.parameters.begin(), macro.parameters.end(),
                                     [&](const auto& p) { return p.name == name.text; });
      if (twice) RefuseAt(name.at, "a second parameter '{}'", name.text);
      ExpressionPtr fallback;
      if (tokens_.TakeOperator("=")) {
        fallback = expressions_.Parse();
      } else if (!macro.parameters.empty() && macro.parameters.back().fallback != nullptr) {
        RefuseAt(name.at, "parameter '{}' without a default after one with", name.text);
      }
      macro.parameters.push_back({name.text, std::move(fallback)});
      if (!tokens_.IsOperator(")")) tokens_.ExpectOperator(",");
    }
    tokens_.Take();
  }

  StatementPtr Call(const Token& name) {
    StatementPtr node = Node(Statement::Kind::kCall, name.at);
    node->macro = std::make_unique<MacroStatement>();
    node->macro->name = "caller";
    if (tokens_.IsOperator("(")) Parameters(*node->macro);
    node->value = expressions_.Parse();
    if (node->value->kind != Expression::Kind::kCall) {
      RefuseAt(node->value->at, "expected the call of a macro");
    }
    MacroBody(*node->macro, "endcall", name);
    return node;
  }

  StatementPtr FilterTag(const Token& name) {
    StatementPtr node = Node(Statement::Kind::kFilter, name.at);
    node->value = expressions_.ParseFilters(ExpressionParser::First::kAtOnce);
    node->body = ScopeUntil("endfilter", name);
    return node;
  }

  StatementPtr With(const Token& name) {
    StatementPtr node = Node(Statement::Kind::kWith, name.at);
    while (!tokens_.Is(Token::Kind::kBlockEnd)) {
      if (!node->with.empty()) tokens_.ExpectOperator(",");
      Target target = OneTarget();
      tokens_.ExpectOperator("=");
      node->with.emplace_back(std::move(target), expressions_.Parse());
    }
    node->body = ScopeUntil("endwith", name);
    return node;
  }

  TokenStream tokens_;
  ExpressionParser expressions_;
  size_t loops_ = 0;            // around here, that `break` could leave
  const Token* end_ = nullptr;  // the end tag that Statements took last
};

}  // namespace

Body ParseSource(std::string_view source) { return Parser(TokenStream(Tokenize(source))).Run(); }

}  // namespace bitloss::templates

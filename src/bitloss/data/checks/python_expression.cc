#include "bitloss/data/checks/python_expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace bitloss {
namespace {

using Expression = PythonExpression;
using Kind = PythonToken::Kind;

constexpr int kMaxDepth = 64;

constexpr std::array<std::string_view, 8> kBuiltIns = {"call abs",  "call len",     "call sum",
                                                       "call min",  "call max",     "call sorted",
                                                       "call bool", "call reversed"};
constexpr std::array<std::string_view, 13> kMethods = {
    "method upper", "method lower", "method strip",      "method split",    "method join",
    "method title", "method pop",   "method capitalize", "method swapcase", "method index",
    "method copy",  "method count", "method casefold"};

bool IsCall(std::string_view op) { return op.starts_with("call") || op.starts_with("method "); }

// Reads one expression by precedence; each level is a function, as in the language's grammar.
class Parser {
 public:
  Parser(std::span<const PythonToken> tokens, const PythonNames& names)
      : tokens_(tokens), names_(names) {}

  std::optional<Expression> Run() {
    std::optional<Expression> all = List();
    if (!all || at_ != tokens_.size()) return std::nullopt;
    return all;
  }

 private:
  bool At(std::string_view text) const { return at_ < tokens_.size() && tokens_[at_].Is(text); }
  bool Take(std::string_view text) {
    if (!At(text)) return false;
    ++at_;
    return true;
  }

  // One expression, or several between commas: a tuple.
  std::optional<Expression> List() {
    std::optional<Expression> first = Ternary();
    if (!first || !At(",")) return first;
    std::vector<Expression> items = {*std::move(first)};
    while (Take(",") && at_ < tokens_.size()) {
      std::optional<Expression> item = Ternary();
      if (!item) return std::nullopt;
      items.push_back(*std::move(item));
    }
    return Expression{"display", std::move(items)};
  }

  std::optional<Expression> Ternary() {
    if (++depth_ > kMaxDepth) return std::nullopt;
    std::optional<Expression> value = Binary(0);
    if (value && Take("if")) {
      std::optional<Expression> condition = Binary(0);
      if (!condition || !Take("else")) return std::nullopt;
      std::optional<Expression> otherwise = Ternary();
      if (!otherwise) return std::nullopt;
      value = MakePython("if", {*condition, *value, *otherwise});
    }
    --depth_;
    return value;
  }

  // From the loosest to the tightest.
  static constexpr size_t kNot = 2;
  static constexpr size_t kComparison = 3;
  static constexpr size_t kUnary = 9;

  // The operator here if it is of `level`.
  std::string_view OperatorOf(size_t level) const {
    constexpr std::array<std::array<std::string_view, 8>, kUnary> kLevels = {
        {{"or"},
         {"and"},
         {},
         {"<", "<=", ">", ">=", "==", "!=", "in", "is"},
         {"|"},
         {"&"},
         {"<<", ">>"},
         {"+", "-"},
         {"*", "/", "//", "%"}}};
    for (const std::string_view op : kLevels[level]) {
      if (!op.empty() && At(op)) return op;
    }
    return {};
  }

  std::optional<Expression> Binary(size_t level) {
    if (level == kUnary) return Unary();
    if (level == kNot && Take("not")) {
      std::optional<Expression> operand = Binary(kNot);
      if (!operand) return std::nullopt;
      return MakePython("not", {*operand});
    }
    std::optional<Expression> left = Binary(level + 1);
    size_t count = 0;
    while (left) {
      const std::string_view op = OperatorOf(level);
      if (op.empty()) break;
      ++at_;
      std::optional<Expression> right = Binary(level + 1);
      if (!right) return std::nullopt;
      // A chain of comparisons is a form of its own.
      left =
          level == kComparison && ++count > 1 ? PythonUnknown() : MakePython(op, {*left, *right});
    }
    return left;
  }

  std::optional<Expression> Unary() {
    if (Take("+")) return Unary();
    if (Take("-")) {
      std::optional<Expression> operand = Unary();
      if (!operand) return std::nullopt;
      return MakePython("*", {{"num -1"}, *operand});
    }
    std::optional<Expression> base = Postfix();
    if (base && Take("**")) {
      std::optional<Expression> power = Unary();
      if (!power) return std::nullopt;
      return MakePython("**", {*base, *power});
    }
    return base;
  }

  std::optional<Expression> Postfix() {
    const bool is_name = at_ < tokens_.size() && tokens_[at_].kind == Kind::kName;
    const std::string name = is_name ? tokens_[at_].text : "";
    std::optional<Expression> value = Atom();
    bool callable = is_name && !names_.contains(name);
    std::string function = "call " + name;
    std::vector<Expression> receiver;
    while (value) {
      if (Take("(")) {
        if (!callable) function = "call ?";
        std::optional<std::vector<Expression>> arguments = Items(")");
        if (!arguments) return std::nullopt;
        std::vector<Expression> all = std::move(receiver);
        all.insert(all.end(), arguments->begin(), arguments->end());
        value = MakePython(function, std::move(all));
        receiver.clear();
        callable = false;
      } else if (Take(".")) {
        if (at_ == tokens_.size() || tokens_[at_].kind != Kind::kName) return std::nullopt;
        function = "method " + tokens_[at_++].text;
        receiver = {*value};
        callable = true;
        value = PythonUnknown();  // unless it is called
      } else if (Take("[")) {
        std::optional<Expression> index = Index();
        if (!index) return std::nullopt;
        value = MakePython("[]", {*value, *index});
        callable = false;
      } else {
        break;
      }
    }
    return value;
  }

  // What stands up to the closing bracket; unknown where it is a comprehension.
  std::optional<std::vector<Expression>> Items(std::string_view close) {
    std::vector<Expression> items;
    while (!Take(close)) {
      if (at_ + 1 < tokens_.size() && tokens_[at_ + 1].Is("=")) {
        items.push_back({"keyword " + tokens_[at_].text});
        at_ += 2;
      }
      std::optional<Expression> item = Ternary();
      if (!item) return std::nullopt;
      if (At("for") || At("async")) {
        SkipTo(close);
        return std::vector<Expression>{PythonUnknown()};
      }
      items.push_back(*std::move(item));
      if (!Take(",") && !At(close)) return std::nullopt;
    }
    return items;
  }

  void SkipTo(std::string_view close) {
    int depth = 0;
    for (; at_ < tokens_.size(); ++at_) {
      if (depth == 0 && Take(close)) return;
      if (At("(") || At("[") || At("{")) ++depth;
      if (At(")") || At("]") || At("}")) --depth;
    }
  }

  std::optional<Expression> Index() {
    Expression slice{"slice", {{"const None"}}};
    bool is_slice = false;
    while (!Take("]")) {
      if (Take(":")) {
        is_slice = true;
        slice.args.push_back({"const None"});
        continue;
      }
      std::optional<Expression> part = Ternary();
      if (!part) return std::nullopt;
      slice.args.back() = *std::move(part);
    }
    if (!is_slice) return slice.args.back();
    slice.args.resize(3, {"const None"});
    return slice;
  }

  std::optional<Expression> Atom() {
    if (at_ == tokens_.size()) return std::nullopt;
    const PythonToken& token = tokens_[at_++];
    if (token.kind == Kind::kNumber) return Number(token.text);
    if (token.kind == Kind::kString) return Expression{"str " + token.text};
    if (token.kind == Kind::kName) {
      if (token.text == "lambda" || token.text == "await" || token.text == "yield") {
        at_ = tokens_.size();
        return PythonUnknown();
      }
      if (token.text == "True" || token.text == "False" || token.text == "None") {
        return PythonConstant(token.text);
      }
      const auto bound = names_.find(token.text);
      return bound != names_.end() ? bound->second : Expression{"name " + token.text};
    }
    const size_t kind = token.Is("(") ? 1 : token.Is("[") ? 2 : token.Is("{") ? 3 : 0;
    if (kind == 0) return std::nullopt;
    if (kind == 3) {
      SkipTo("}");
      return PythonUnknown();
    }
    const size_t begin = at_;
    std::optional<std::vector<Expression>> items = Items(kind == 1 ? ")" : "]");
    if (!items) return std::nullopt;
    const bool trailing = at_ >= begin + 2 && tokens_[at_ - 2].Is(",");
    if (kind == 1 && items->size() == 1 && !trailing) return items->front();
    return Expression{"display", *std::move(items)};
  }

  static std::optional<Expression> Number(const std::string& text) {
    try {
      size_t used = 0;
      const double value = std::stod(text, &used);
      if (used == text.size()) return Expression{fmt::format("num {}", value)};
    } catch (const std::exception&) {
    }
    return PythonUnknown();
  }

  std::span<const PythonToken> tokens_;
  const PythonNames& names_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::string PythonExpression::Text() const {
  if (args.empty()) return op;
  std::string text = "(" + op;
  for (const PythonExpression& arg : args) text += " " + arg.Text();
  return text + ")";
}

bool PythonExpression::IsUnderstood() const {
  if (op == "unknown" || op.starts_with("keyword ") || op.starts_with("str f")) return false;
  if (IsCall(op) && std::ranges::find(kBuiltIns, op) == kBuiltIns.end() &&
      std::ranges::find(kMethods, op) == kMethods.end()) {
    return false;
  }
  return std::ranges::all_of(args, [](const auto& arg) { return arg.IsUnderstood(); });
}

PythonExpression PythonConstant(std::string_view name) { return {"const " + std::string(name)}; }
PythonExpression PythonUnknown() { return {"unknown"}; }

std::optional<PythonExpression> ParsePythonExpression(std::span<const PythonToken> tokens,
                                                      const PythonNames& names) {
  return Parser(tokens, names).Run();
}

}  // namespace bitloss

#include "bitloss/data/checks/python_function.h"

#include <algorithm>
#include <array>

namespace bitloss {
namespace {

using Kind = PythonToken::Kind;
using Tokens = std::span<const PythonToken>;

constexpr int kMaxSteps = 2000;
constexpr int kMaxDepth = 32;

// The tokens of a line up to its end, then those of the block below it.
struct Statement {
  Tokens line;
  std::vector<Statement> block;
};

// Statements in turn; those of one line are told apart by ";", and "if x: y" has a block of its
// own.
class Blocks {
 public:
  explicit Blocks(Tokens tokens) : tokens_(tokens) {}

  std::vector<Statement> Read(int depth = 0) {
    std::vector<Statement> statements;
    while (at_ < tokens_.size() && tokens_[at_].kind != Kind::kDedent) {
      if (tokens_[at_].kind == Kind::kNewline) {
        ++at_;
      } else if (tokens_[at_].kind == Kind::kIndent) {
        ++at_;
        std::vector<Statement> block = depth < kMaxDepth ? Read(depth + 1) : Drop();
        if (at_ < tokens_.size()) ++at_;
        if (!statements.empty()) statements.back().block = std::move(block);
      } else {
        ReadLine(statements);
      }
    }
    return statements;
  }

 private:
  std::vector<Statement> Drop() {
    at_ = tokens_.size();
    return {};
  }

  void ReadLine(std::vector<Statement>& statements) {
    const size_t begin = at_;
    while (at_ < tokens_.size() && tokens_[at_].kind != Kind::kNewline) ++at_;
    Split(tokens_.subspan(begin, at_ - begin), statements);
  }

  static void Split(Tokens line, std::vector<Statement>& statements) {
    constexpr std::array<std::string_view, 7> kCompound = {"if",  "elif",  "else", "def",
                                                           "for", "while", "class"};
    const bool compound =
        std::ranges::any_of(kCompound, [&](std::string_view word) { return line[0].Is(word); });
    int depth = 0;
    for (size_t i = 0; i < line.size(); ++i) {
      const PythonToken& token = line[i];
      if (token.Is("(") || token.Is("[") || token.Is("{")) ++depth;
      if (token.Is(")") || token.Is("]") || token.Is("}")) --depth;
      const bool header = compound && token.Is(":");
      if (depth != 0 || (!header && !token.Is(";"))) continue;
      statements.push_back({line.first(header ? i + 1 : i), {}});
      const Tokens rest = line.subspan(i + 1);
      if (!rest.empty()) Split(rest, header ? statements.back().block : statements);
      return;
    }
    statements.push_back({line, {}});
  }

  Tokens tokens_;
  size_t at_ = 0;
};

// What is returned by statements that run one after another, and then by what follows them.
class Body {
 public:
  PythonExpression Returned(const std::vector<Statement>& statements, PythonNames names) {
    std::vector<const Statement*> all;
    for (const Statement& statement : statements) all.push_back(&statement);
    return Run(all, std::move(names), 0);
  }

 private:
  using Sequence = std::vector<const Statement*>;

  PythonExpression Run(const Sequence& statements, PythonNames names, int depth) {
    if (depth > kMaxDepth) return PythonUnknown();
    for (size_t i = 0; i < statements.size(); ++i) {
      if (++steps_ > kMaxSteps) return PythonUnknown();
      const Tokens line = statements[i]->line;
      if (line.empty()) continue;
      if (line[0].Is("return")) return Value(line.subspan(1), names);
      if (line[0].Is("if")) return Branch(statements, i, names, depth);
      if (!Simple(line, names)) return PythonUnknown();
    }
    return PythonConstant("None");
  }

  PythonExpression Value(Tokens tokens, const PythonNames& names) {
    if (tokens.empty()) return PythonConstant("None");
    return ParsePythonExpression(tokens, names).value_or(PythonUnknown());
  }

  // if, elif ..., else, each going on with what stands after them.
  PythonExpression Branch(const Sequence& statements, size_t at, const PythonNames& names,
                          int depth) {
    size_t end = at + 1;
    while (end < statements.size() && !statements[end]->line.empty() &&
           (statements[end]->line[0].Is("elif") || statements[end]->line[0].Is("else"))) {
      ++end;
    }
    const auto with_rest = [&](const Statement& branch) {
      Sequence sequence;
      for (const Statement& statement : branch.block) sequence.push_back(&statement);
      sequence.insert(sequence.end(), statements.begin() + static_cast<ptrdiff_t>(end),
                      statements.end());
      return Run(sequence, names, depth + 1);
    };
    const bool has_else = end > at + 1 && statements[end - 1]->line[0].Is("else");
    static const Statement kNothing;
    PythonExpression result = with_rest(has_else ? *statements[end - 1] : kNothing);
    for (size_t i = has_else ? end - 1 : end; i-- > at;) {
      const Tokens line = statements[i]->line;
      if (line.size() < 3) return PythonUnknown();
      const PythonExpression condition = Value(line.subspan(1, line.size() - 2), names);
      result = MakePython("if", {condition, with_rest(*statements[i]), result});
    }
    return result;
  }

  // A statement without a block; false if what it does to the names is not known.
  bool Simple(Tokens line, PythonNames& names) {
    if (line[0].Is("pass") || line[0].kind == Kind::kString || line[0].Is("assert")) return true;
    if (line[0].Is("print") || line[0].Is("import") || line[0].Is("from")) return true;
    if (line[0].kind != Kind::kName || line.size() < 3) return false;
    const auto equals = std::ranges::find_if(line, [](const auto& t) { return t.Is("="); });
    const auto at = static_cast<size_t>(equals - line.begin());
    if (equals != line.end() && (at == 1 || line[1].Is(":"))) {
      names[line[0].text] = Value(line.subspan(at + 1), names);
      return true;
    }
    constexpr std::array<std::string_view, 5> kAugmented = {"+=", "-=", "*=", "//=", "%="};
    for (const std::string_view op : kAugmented) {
      if (!line[1].Is(op)) continue;
      const PythonExpression before = Value(line.first(1), names);
      names[line[0].text] =
          MakePython(op.substr(0, op.size() - 1), {before, Value(line.subspan(2), names)});
      return true;
    }
    // An expression for nothing: only one that changes nothing is passed over.
    const PythonExpression value = Value(line, names);
    return value.IsUnderstood() && !value.op.starts_with("method pop");
  }

  int steps_ = 0;
};

// "a: int, b=2" between the brackets of a signature.
std::optional<std::vector<PythonParameter>> ReadParameters(Tokens tokens) {
  std::vector<PythonParameter> parameters;
  for (size_t at = 0; at < tokens.size();) {
    if (tokens[at].Is("/")) {
      at += 2;
      continue;
    }
    if (tokens[at].kind != Kind::kName) return std::nullopt;
    parameters.push_back({tokens[at].text, false});
    int depth = 0;
    for (++at; at < tokens.size(); ++at) {
      const PythonToken& token = tokens[at];
      if (token.Is("(") || token.Is("[") || token.Is("{")) ++depth;
      if (token.Is(")") || token.Is("]") || token.Is("}")) --depth;
      if (depth == 0 && token.Is("=")) parameters.back().has_default = true;
      if (depth == 0 && token.Is(",")) break;
    }
    ++at;
  }
  return parameters;
}

// def name(parameters) -> type:
std::optional<PythonFunction> ReadDefinition(const Statement& statement) {
  const Tokens line = statement.line;
  if (line.size() < 5 || line[1].kind != Kind::kName || !line[2].Is("(")) return std::nullopt;
  int depth = 0;
  size_t close = 2;
  for (; close < line.size(); ++close) {
    if (line[close].Is("(") || line[close].Is("[") || line[close].Is("{")) ++depth;
    if (line[close].Is(")") || line[close].Is("]") || line[close].Is("}")) --depth;
    if (depth == 0) break;
  }
  if (close == line.size()) return std::nullopt;
  const auto parameters = ReadParameters(line.subspan(3, close - 3));
  if (!parameters) return std::nullopt;
  return PythonFunction{line[1].text, *parameters, Body().Returned(statement.block, {})};
}

// name = lambda a, b: value
std::optional<PythonFunction> ReadLambda(const Statement& statement) {
  const Tokens line = statement.line;
  if (line.size() < 5 || !line[1].Is("=") || !line[2].Is("lambda")) return std::nullopt;
  const auto colon = std::ranges::find_if(line, [](const auto& token) { return token.Is(":"); });
  if (colon == line.end()) return std::nullopt;
  const auto at = static_cast<size_t>(colon - line.begin());
  const auto parameters = ReadParameters(line.subspan(3, at - 3));
  const auto value = ParsePythonExpression(line.subspan(at + 1), {});
  if (!parameters) return std::nullopt;
  return PythonFunction{line[0].text, *parameters, value.value_or(PythonUnknown())};
}

}  // namespace

std::optional<PythonFunction> FindPythonFunction(std::string_view code, std::string_view name) {
  const std::vector<PythonToken> tokens = PythonTokens(code);
  std::optional<PythonFunction> found;
  bool decorated = false;
  for (const Statement& statement : Blocks(tokens).Read()) {
    if (statement.line.empty()) continue;
    const bool is_def = statement.line[0].Is("def");
    std::optional<PythonFunction> one = is_def ? ReadDefinition(statement) : ReadLambda(statement);
    if (one && decorated) one->returned = PythonUnknown();
    decorated = statement.line[0].Is("@");
    if (one && (name == "_" || one->name == name)) found = std::move(one);
  }
  return found;
}

}  // namespace bitloss

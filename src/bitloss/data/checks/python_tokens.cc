#include "bitloss/data/checks/python_tokens.h"

#include <algorithm>
#include <array>

namespace bitloss {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNamePart(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         (static_cast<unsigned char>(c) & 0x80) != 0;
}

class Reader {
 public:
  explicit Reader(std::string_view code) : code_(code) {}

  std::vector<PythonToken> Run() {
    while (at_ < code_.size()) {
      if (line_start_ && depth_ == 0) Indentation();
      if (at_ < code_.size()) Step();
    }
    EndLine();
    while (levels_.size() > 1) Dedent();
    return std::move(tokens_);
  }

 private:
  using Kind = PythonToken::Kind;

  char Peek(size_t ahead = 0) const {
    return at_ + ahead < code_.size() ? code_[at_ + ahead] : '\0';
  }
  void Add(Kind kind, std::string text = {}) { tokens_.push_back({kind, std::move(text)}); }
  void Dedent() {
    levels_.pop_back();
    Add(Kind::kDedent);
  }
  void EndLine() {
    if (!tokens_.empty() && tokens_.back().kind != Kind::kNewline &&
        tokens_.back().kind != Kind::kIndent && tokens_.back().kind != Kind::kDedent) {
      Add(Kind::kNewline);
    }
  }

  // A blank line, or one of a comment alone, has no indentation.
  void Indentation() {
    size_t column = 0;
    for (; Peek() == ' ' || Peek() == '\t'; ++at_) column += Peek() == '\t' ? 8 - column % 8 : 1;
    line_start_ = false;
    if (Peek() == '\n' || Peek() == '\r' || Peek() == '#' || at_ >= code_.size()) return;
    if (column > levels_.back()) {
      levels_.push_back(column);
      Add(Kind::kIndent);
    }
    while (column < levels_.back()) Dedent();
  }

  void Step() {
    const char c = Peek();
    if (c == '\n') {
      ++at_;
      line_start_ = true;
      if (depth_ == 0) EndLine();
    } else if (c == ' ' || c == '\t' || c == '\r') {
      ++at_;
    } else if (c == '\\' && Peek(1) == '\n') {
      at_ += 2;
    } else if (c == '#') {
      at_ = std::min(code_.find('\n', at_), code_.size());
    } else if (c == '"' || c == '\'') {
      String("");
    } else if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) {
      const size_t begin = at_;
      while (IsNamePart(Peek()) || Peek() == '.') ++at_;
      Add(Kind::kNumber, std::string(code_.substr(begin, at_ - begin)));
    } else if (IsNamePart(c)) {
      Name();
    } else {
      Operator();
    }
  }

  void Name() {
    const size_t begin = at_;
    while (IsNamePart(Peek())) ++at_;
    std::string name(code_.substr(begin, at_ - begin));
    const bool prefix = name.size() <= 2 && name.find_first_not_of("rRbBuUfF") == std::string::npos;
    if (prefix && (Peek() == '"' || Peek() == '\'')) {
      String(name.find_first_of("fF") == std::string::npos ? "" : "f");
    } else {
      Add(Kind::kName, std::move(name));
    }
  }

  void String(std::string text) {
    const char quote = Peek();
    const bool triple = Peek(1) == quote && Peek(2) == quote;
    const std::string end(triple ? 3 : 1, quote);
    for (at_ += end.size(); at_ < code_.size(); ++at_) {
      if (code_.substr(at_).starts_with(end)) break;
      if (Peek() == '\\') text += code_[at_++];
      if (at_ < code_.size()) text += code_[at_];
    }
    at_ = std::min(at_ + end.size(), code_.size());
    Add(Kind::kString, std::move(text));
  }

  void Operator() {
    constexpr std::array<std::string_view, 22> kLong = {
        "**=", "//=", ">>=", "<<=", "...", "**", "//", ">>", "<<", "<=", ">=",
        "==",  "!=",  "->",  "+=",  "-=",  "*=", "/=", "%=", "&=", "|=", ":="};
    std::string_view token = code_.substr(at_, 1);
    for (const std::string_view candidate : kLong) {
      if (code_.substr(at_).starts_with(candidate)) {
        token = candidate;
        break;
      }
    }
    if (token == "(" || token == "[" || token == "{") ++depth_;
    if ((token == ")" || token == "]" || token == "}") && depth_ > 0) --depth_;
    Add(Kind::kOperator, std::string(token));
    at_ += token.size();
  }

  std::string_view code_;
  size_t at_ = 0;
  size_t depth_ = 0;  // of brackets: lines inside them are one
  bool line_start_ = true;
  std::vector<size_t> levels_ = {0};
  std::vector<PythonToken> tokens_;
};

}  // namespace

std::vector<PythonToken> PythonTokens(std::string_view code) { return Reader(code).Run(); }

}  // namespace bitloss

// The tokens of a template, one after the other, for the parsers.
#ifndef BITLOSS_TEMPLATES_TOKEN_STREAM_H_
#define BITLOSS_TEMPLATES_TOKEN_STREAM_H_

#include <algorithm>
#include <vector>

#include "bitloss/templates/lexer.h"

namespace bitloss::templates {

class TokenStream {
 public:
  // Requires: the last token is kEnd.
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& Now() const { return tokens_[at_]; }
  const Token& After() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& Take() {
    const Token& token = tokens_[at_];
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }

  bool Is(Token::Kind kind) const { return Now().kind == kind; }
  bool IsOperator(std::string_view text) const { return Matches(Now(), kOperator, text); }
  bool IsName(std::string_view text) const { return Matches(Now(), kName, text); }
  bool NextIsName(std::string_view text) const { return Matches(After(), kName, text); }
  bool NextIsOperator(std::string_view text) const { return Matches(After(), kOperator, text); }

  bool TakeOperator(std::string_view text) { return IsOperator(text) && (Take(), true); }
  bool TakeName(std::string_view text) { return IsName(text) && (Take(), true); }

  void ExpectOperator(std::string_view text) {
    if (!TakeOperator(text)) Unexpected(fmt::format("'{}'", text));
  }
  void ExpectName(std::string_view text) {
    if (!TakeName(text)) Unexpected(fmt::format("'{}'", text));
  }
  const Token& ExpectAnyName() {
    if (!Is(kName)) Unexpected("a name");
    return Take();
  }

  [[noreturn]] void Unexpected(std::string_view expected) const {
    RefuseAt(Now().at, "expected {}, found {}", expected, Describe(Now()));
  }

 private:
  static constexpr Token::Kind kOperator = Token::Kind::kOperator;
  static constexpr Token::Kind kName = Token::Kind::kName;
  static bool Matches(const Token& token, Token::Kind kind, std::string_view text) {
    return token.kind == kind && token.text == text;
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
};

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_TOKEN_STREAM_H_

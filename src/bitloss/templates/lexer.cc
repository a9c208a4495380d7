#include "bitloss/templates/lexer.h"

#include <unicode/uchar.h>

#include <array>

#include "bitloss/templates/string_literal.h"
#include "bitloss/templates/text.h"

namespace bitloss::templates {
namespace {

using TokenKind = Token::Kind;

bool IsDigitCharacter(char c) { return c >= '0' && c <= '9'; }

// Line ends of any kind as "\n", and one at the end left out.
std::string Normalize(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      text += source[i];
      continue;
    }
    text += '\n';
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  std::vector<Token> Run() {
    for (;;) {
      const size_t tag = FindTag();
      AddText(TextBefore(tag));
      at_ = tag;
      if (tag == source_.size()) break;
      Tag();
    }
    Add(TokenKind::kEnd, {}, at_);
    return std::move(tokens_);
  }

 private:
  std::string_view Rest() const { return std::string_view(source_).substr(at_); }
  bool Here(std::string_view what) const { return Rest().starts_with(what); }

  size_t FindTag() const {
    for (size_t i = at_; i + 1 < source_.size(); ++i) {
      const char kind = source_[i + 1];
      if (source_[i] == '{' && (kind == '{' || kind == '%' || kind == '#')) return i;
    }
    return source_.size();
  }

  // The text from here to a tag, less the white space that the tag takes away.
  std::string_view TextBefore(size_t tag) const {
    const std::string_view text = std::string_view(source_).substr(at_, tag - at_);
    if (tag == source_.size()) return text;
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
    if (sign == '-') return Strip(text, Side::kRight);
    if (source_[tag + 1] == '{' || sign == '+') return text;
    const size_t line = text.rfind('\n') + 1;
    const bool blank = Strip(text.substr(line), Side::kLeft).empty();
    return (line > 0 || at_line_start_) && blank ? text.substr(0, line) : text;
  }

  void Tag() {
    begin_ = at_;
    const char kind = source_[at_ + 1];
    at_ += 2;
    const bool signed_tag = Here("-") || Here("+");
    if (signed_tag) ++at_;
    if (kind == '#') return Comment();
    if (kind == '%' && Raw()) return;
    Add(kind == '{' ? TokenKind::kOutputBegin : TokenKind::kBlockBegin, {}, begin_);
    Words(kind == '{' ? "}}" : "%}");
  }

  void Comment() {
    const size_t end = source_.find("#}", at_);
    if (end == std::string::npos) RefuseAt(PositionOf(begin_), "a comment without its '#}}'");
    const bool has_sign = end > at_ && (source_[end - 1] == '-' || source_[end - 1] == '+');
    at_ = has_sign ? end - 1 : end;
    Close("#}");
  }

  // {% raw %} to {% endraw %}, if that is what begins here.
  bool Raw() {
    const size_t start = at_;
    SkipSpace();
    if (!Here("raw")) return Back(start);
    at_ += 3;
    SkipSpace();
    if (!Here("%}") && !Here("-%}")) return Back(start);
    const bool strips = Here("-");
    at_ += strips ? 3 : 2;
    if (strips) SkipSpace();
    at_line_start_ = strips && source_[at_ - 1] == '\n';
    const size_t tag = FindEndRaw();
    AddText(TextBefore(tag));
    at_ = source_.find("endraw", tag) + 6;
    SkipSpace();
    Close("%}");
    return true;
  }

  bool Back(size_t at) {
    at_ = at;
    return false;
  }

  size_t FindEndRaw() {
    const size_t text = at_;
    for (size_t tag = source_.find("{%", at_); tag != std::string::npos;
         tag = source_.find("{%", tag + 1)) {
      at_ = tag + 2;
      if (Here("-") || Here("+")) ++at_;
      SkipSpace();
      if (Here("endraw")) {
        at_ += 6;
        SkipSpace();
        if (Here("%}") || Here("-%}") || Here("+%}")) {
          at_ = text;
          return tag;
        }
      }
    }
    RefuseAt(PositionOf(begin_), "a 'raw' block without its 'endraw'");
  }

  // Over the end of a tag and the white space that it takes away.
  void Close(std::string_view end) {
    const bool strips = Here("-");
    const bool keeps = Here("+");
    at_ += end.size() + (strips || keeps ? 1 : 0);
    const size_t begin = at_;
    if (strips) {
      SkipSpace();
    } else if (end != "}}" && !keeps && Here("\n")) {
      ++at_;
    }
    at_line_start_ = at_ > begin && source_[at_ - 1] == '\n';
  }

  void SkipSpace() { at_ = source_.size() - Strip(Rest(), Side::kLeft).size(); }

  bool Closes(std::string_view end) const {
    if (Here(end)) return true;
    const bool has_sign = Here("-") || (Here("+") && end == "%}");
    return has_sign && Rest().substr(1).starts_with(end);
  }

  void Words(std::string_view end) {
    brackets_.clear();
    for (;;) {
      SkipSpace();
      if (at_ == source_.size()) {
        RefuseAt(PositionOf(begin_), "a tag without its '{}'", end);
      }
      if (brackets_.empty() && Closes(end)) {
        Add(end == "}}" ? TokenKind::kOutputEnd : TokenKind::kBlockEnd, std::string(end), at_);
        return Close(end);
      }
      Word();
    }
  }

  void Word() {
    const char c = source_[at_];
    if (c == '\'' || c == '"') return String();
    if (IsDigitCharacter(c) && Number()) return;
    if (const size_t size = NameSize(); size > 0) {
      Add(TokenKind::kName, source_.substr(at_, size), at_);
      at_ += size;
      return;
    }
    Operator();
  }

  size_t NameSize() const {
    size_t size = 0;
    for (const std::string_view rest = Rest(); size < rest.size();) {
      const char32_t c = CodePoint(rest.substr(size));
      const auto u = static_cast<UChar32>(c);
      const bool fits = c == '_' || u_hasBinaryProperty(u, UCHAR_XID_CONTINUE);
      const bool starts = c == '_' || u_hasBinaryProperty(u, UCHAR_XID_START);
      if (size == 0 ? !starts : !fits) break;
      std::string utf8;
      AppendUtf8(c, utf8);
      size += utf8.size();
    }
    return size;
  }

  // Digits with single underscores between them.
  static size_t DigitsSize(std::string_view text, std::string_view digits) {
    size_t size = 0;
    while (size < text.size()) {
      const bool underscore = size > 0 && text[size] == '_' && size + 1 < text.size();
      const char c = underscore ? text[size + 1] : text[size];
      if (digits.find(c) == std::string_view::npos) break;
      size += underscore ? 2 : 1;
    }
    return size;
  }

  bool Number() {
    constexpr std::string_view kDecimal = "0123456789";
    const std::string_view rest = Rest();
    const bool after_point = !tokens_.empty() && tokens_.back().kind == TokenKind::kOperator &&
                             tokens_.back().text == "." && at_ > 0 && source_[at_ - 1] == '.';
    const size_t whole = DigitsSize(rest, kDecimal);
    size_t size = whole;
    if (!after_point) {
      if (size + 1 < rest.size() && rest[size] == '.' && IsDigitCharacter(rest[size + 1])) {
        size += 1 + DigitsSize(rest.substr(size + 1), kDecimal);
      }
      if (size < rest.size() && (rest[size] == 'e' || rest[size] == 'E')) {
        size_t digits = size + 1;
        if (digits < rest.size() && (rest[digits] == '+' || rest[digits] == '-')) ++digits;
        const size_t exponent = DigitsSize(rest.substr(digits), kDecimal);
        if (exponent > 0) size = digits + exponent;
      }
    }
    if (size > whole) return AddNumber(TokenKind::kFloat, size);
    return AddNumber(TokenKind::kInteger, IntegerSize(rest, whole));
  }

  static size_t IntegerSize(std::string_view rest, size_t decimal) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kBases = {
        {{"bB", "01"}, {"oO", "01234567"}, {"xX", "0123456789abcdefABCDEF"}}};
    if (rest.size() > 2 && rest[0] == '0') {
      for (const auto& [letters, digits] : kBases) {
        if (letters.find(rest[1]) == std::string_view::npos) continue;
        const size_t skip = rest[2] == '_' ? 3 : 2;
        const size_t size = DigitsSize(rest.substr(skip), digits);
        if (size > 0) return skip + size;
      }
    }
    if (rest[0] == '0') return DigitsSize(rest, "0");
    return decimal;
  }

  bool AddNumber(TokenKind kind, size_t size) {
    std::string text;
    for (const char c : Rest().substr(0, size)) {
      if (c != '_') text += c;
    }
    Add(kind, std::move(text), at_);
    at_ += size;
    return true;
  }

  void String() {
    const char quote = source_[at_];
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    const Position at = PositionOf(at_);
    if (end >= source_.size()) RefuseAt(at, "a string without its closing {}", quote);
    const std::string_view inside = std::string_view(source_).substr(at_ + 1, end - at_ - 1);
    tokens_.push_back({TokenKind::kString, MeaningOf(inside, at), at});
    at_ = end + 1;
  }

  void Operator() {
    for (const std::string_view two : {"==", "!=", "<=", ">=", "//", "**"}) {
      if (Here(two)) return AddOperator(two);
    }
    constexpr std::string_view kOne = "+-/*%~[](){}<>=.:|,;";
    const size_t found = kOne.find(source_[at_]);
    if (found == std::string_view::npos) {
      RefuseAt(PositionOf(at_), "unexpected character '{}'", Characters(Rest().substr(0, 4))[0]);
    }
    const std::string_view one = kOne.substr(found, 1);
    constexpr std::string_view kOpen = "([{";
    constexpr std::string_view kClose = ")]}";
    if (const size_t open = kOpen.find(one); open != std::string_view::npos) {
      brackets_ += kClose[open];
    } else if (kClose.find(one) != std::string_view::npos) {
      if (brackets_.empty()) RefuseAt(PositionOf(at_), "unexpected '{}'", one);
      if (brackets_.back() != one[0]) {
        RefuseAt(PositionOf(at_), "unexpected '{}', expected '{}'", one, brackets_.back());
      }
      brackets_.pop_back();
    }
    AddOperator(one);
  }

  void AddOperator(std::string_view text) {
    Add(TokenKind::kOperator, std::string(text), at_);
    at_ += text.size();
  }

  void AddText(std::string_view text) {
    if (!text.empty()) Add(TokenKind::kText, std::string(text), at_);
  }

  void Add(TokenKind kind, std::string text, size_t at) {
    tokens_.push_back({kind, std::move(text), PositionOf(at)});
  }

  // Of a byte that is not before the last one asked for, or else from the start.
  Position PositionOf(size_t at) {
    if (at < known_) {
      known_ = 0;
      position_ = {};
    }
    for (; known_ < at; ++known_) {
      if (source_[known_] == '\n') {
        position_ = {position_.line + 1, 1};
      } else if ((static_cast<unsigned char>(source_[known_]) & 0xC0) != 0x80) {
        ++position_.column;
      }
    }
    return position_;
  }

  std::string source_;
  size_t at_ = 0;
  size_t begin_ = 0;  // of the tag
  bool at_line_start_ = true;
  std::string brackets_;  // that are open, as what closes them
  std::vector<Token> tokens_;
  size_t known_ = 0;  // the byte of position_
  Position position_;
};

}  // namespace

std::string Describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kText:
      return "text";
    case TokenKind::kEnd:
      return "the end of the template";
    case TokenKind::kString:
      return "a string";
    default:
      return fmt::format("'{}'", token.text);
  }
}

std::vector<Token> Tokenize(std::string_view source) { return Lexer(Normalize(source)).Run(); }

}  // namespace bitloss::templates

#include "bitloss/data/checks/numbers.h"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>

namespace bitloss {
namespace {

constexpr std::string_view kMinus = "\u2212";
constexpr std::string_view kRoot = "\u221a";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Reads from the front of a text; a reading that fails leaves the place as it was.
class Cursor {
 public:
  Cursor(std::string_view text, size_t at) : text_(text), at_(at) {}

  size_t at() const { return at_; }
  std::string_view rest() const { return text_.substr(at_); }
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  bool Take(std::string_view token) {
    if (!rest().starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  std::string Digits() {
    std::string digits;
    while (IsDigit(Peek())) digits += text_[at_++];
    return digits;
  }
  void SkipSpaces() {
    while (Peek() == ' ') ++at_;
  }

 private:
  std::string_view text_;
  size_t at_;
};

// "234" after "1," when exactly three digits follow the comma.
bool GroupFollows(const Cursor& c) {
  return c.Peek() == ',' && IsDigit(c.Peek(1)) && IsDigit(c.Peek(2)) && IsDigit(c.Peek(3)) &&
         !IsDigit(c.Peek(4));
}

std::optional<double> ParseDecimal(const std::string& digits) {
  double value = 0.0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

// "^{8}", "^8", "^-8" or superscript digits; none if there is no exponent.
std::optional<int> ReadPower(Cursor& c) {
  constexpr std::array<std::string_view, 10> kSuperscripts = {
      "\u2070", "\u00b9", "\u00b2", "\u00b3", "\u2074",
      "\u2075", "\u2076", "\u2077", "\u2078", "\u2079"};
  Cursor at = c;
  std::string digits;
  bool negative = false;
  if (at.Take("^")) {
    const bool braced = at.Take("{");
    negative = at.Take("-") || at.Take(kMinus);
    digits = at.Digits();
    if (braced && !at.Take("}")) return std::nullopt;
  } else {
    negative = at.Take("\u207b");
    for (bool found = true; found;) {
      found = false;
      for (size_t d = 0; d < kSuperscripts.size() && !found; ++d) {
        found = at.Take(kSuperscripts[d]);
        if (found) digits += static_cast<char>('0' + d);
      }
    }
  }
  if (digits.empty() || digits.size() > 3) return std::nullopt;
  c = at;
  const int power = std::stoi(digits);
  return negative ? -power : power;
}

// " x 10^8" after a mantissa.
std::optional<int> ReadTimesPowerOfTen(Cursor& c) {
  Cursor at = c;
  at.SkipSpaces();
  const bool times =
      at.Take("\u00d7") || at.Take("\\times") || at.Take("\u00b7") || at.Take("*") || at.Take("x");
  at.SkipSpaces();
  if (!times || !at.Take("10")) return std::nullopt;
  const std::optional<int> power = ReadPower(at);
  if (power) c = at;
  return power;
}

// Digits with groups, decimals and an exponent, unsigned.
std::optional<double> ReadUnsigned(Cursor& c) {
  Cursor at = c;
  std::string digits = at.Digits();
  if (!digits.empty() && digits.size() <= 3) {
    while (GroupFollows(at)) {
      at.Take(",");
      digits += at.Digits();
    }
  }
  if (at.Peek() == '.' && IsDigit(at.Peek(1))) {
    at.Take(".");
    digits += "." + at.Digits();
  }
  if (digits.empty()) return std::nullopt;
  if (at.Peek() == 'e' || at.Peek() == 'E') {
    Cursor exponent = at;
    exponent.Take(exponent.rest().substr(0, 1));
    const bool negative = exponent.Take("-");
    if (!negative) exponent.Take("+");
    const std::string power = exponent.Digits();
    if (!power.empty() && !IsLetter(exponent.Peek())) {
      digits += (negative ? "e-" : "e") + power;
      at = exponent;
    }
  } else if (const std::optional<int> power = ReadTimesPowerOfTen(at)) {
    digits += "e" + std::to_string(*power);
  }
  if (digits.front() == '.') digits.insert(digits.begin(), '0');
  const std::optional<double> value = ParseDecimal(digits);
  if (value) c = at;
  return value;
}

std::optional<double> ReadBraced(Cursor& c) {
  Cursor at = c;
  if (!at.Take("{")) return std::nullopt;
  const std::optional<double> value = ReadUnsigned(at);
  if (!value || !at.Take("}")) return std::nullopt;
  c = at;
  return value;
}

std::optional<double> ReadLatex(Cursor& c) {
  Cursor at = c;
  std::optional<double> value;
  if (at.Take("\\sqrt")) {
    value = ReadBraced(at);
    if (value) value = std::sqrt(*value);
  } else if (at.Take("\\frac") || at.Take("\\dfrac")) {
    const std::optional<double> top = ReadBraced(at);
    const std::optional<double> bottom = top ? ReadBraced(at) : std::nullopt;
    if (bottom && *bottom != 0.0) value = *top / *bottom;
  } else if (at.Take(kRoot)) {
    value = ReadUnsigned(at);
    if (value) value = std::sqrt(*value);
  }
  if (value) c = at;
  return value;
}

// "3/4", but neither "4/5/2031" nor "1/0".
void ReadDenominator(Cursor& c, double& value) {
  Cursor at = c;
  if (!at.Take("/")) return;
  const std::optional<double> bottom = ReadUnsigned(at);
  if (!bottom || *bottom == 0.0 || (at.Peek() == '/' && IsDigit(at.Peek(1)))) return;
  value /= *bottom;
  c = at;
}

// Whether a sign that begins at `at` belongs to the number after it.
bool SignApplies(std::string_view text, size_t at) {
  if (at == 0) return true;
  const char before = text[at - 1];
  return !IsDigit(before) && !IsLetter(before) && before != ')' && before != ']' && before != '}' &&
         before != '_' && (static_cast<unsigned char>(before) < 0x80);
}

bool IsPartOfAName(std::string_view text, size_t at) {
  return at > 0 && (IsLetter(text[at - 1]) || text[at - 1] == '_');
}

// The second point of a version number.
bool IsLatePoint(std::string_view text, size_t at) {
  return at > 0 && text[at] == '.' && IsDigit(text[at - 1]);
}

}  // namespace

std::vector<WrittenNumber> FindNumbers(std::string_view text) {
  std::vector<WrittenNumber> numbers;
  for (size_t at = 0; at < text.size();) {
    if (IsPartOfAName(text, at)) {
      // Step over the whole name: H2O, x12.
      while (at < text.size() && IsDigit(text[at])) ++at;
      if (at >= text.size()) break;
    }
    if (IsLatePoint(text, at)) {
      ++at;
      while (at < text.size() && IsDigit(text[at])) ++at;
      continue;
    }
    Cursor c(text, at);
    const bool negative = SignApplies(text, at) && (c.Take("-") || c.Take(kMinus));
    std::optional<double> value = ReadUnsigned(c);
    if (value) {
      if (at == 0 || text[at - 1] != '/') ReadDenominator(c, *value);
    } else {
      value = ReadLatex(c);
    }
    if (value && std::isfinite(*value)) {
      numbers.push_back({.value = negative ? -*value : *value, .begin = at, .end = c.at()});
      at = c.at();
    } else {
      ++at;
    }
  }
  return numbers;
}

}  // namespace bitloss

#include "bitloss/data/checks/numbers.h"

#include <algorithm>
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

  // Whether the digits that end here began right after a comma.
  bool IsAfterAComma() const {
    size_t begin = at_;
    while (begin > 0 && IsDigit(text_[begin - 1])) --begin;
    return begin > 1 && text_[begin - 1] == ',' && IsDigit(text_[begin - 2]);
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
bool GroupFollows(const Cursor& c, std::string_view separator) {
  const size_t n = separator.size();
  return c.rest().starts_with(separator) && IsDigit(c.Peek(n)) && IsDigit(c.Peek(n + 1)) &&
         IsDigit(c.Peek(n + 2)) && !IsDigit(c.Peek(n + 3));
}

// The groups of three that follow. Points need two groups: 1.234 is a decimal.
std::string ReadGroups(Cursor& c) {
  constexpr std::array<std::string_view, 6> kSeparators = {",",      " ",      "'",
                                                           "\u00a0", "\u2009", "\u202f"};
  std::string digits;
  for (const std::string_view separator : kSeparators) {
    while (GroupFollows(c, separator)) {
      c.Take(separator);
      digits += c.Digits();
    }
    if (!digits.empty()) return digits;
  }
  Cursor at = c;
  size_t groups = 0;
  for (; GroupFollows(at, "."); ++groups) {
    at.Take(".");
    digits += at.Digits();
  }
  if (groups < 2) return {};
  c = at;
  return digits;
}

// "1,5" and "3,14159": a comma for the point. Not in "1,2,3", a list, nor before three digits.
bool DecimalCommaFollows(const Cursor& c) {
  if (c.Peek() != ',' || !IsDigit(c.Peek(1)) || c.IsAfterAComma()) return false;
  Cursor at = c;
  at.Take(",");
  const size_t count = at.Digits().size();
  return count != 3 && !(at.Peek() == ',' && IsDigit(at.Peek(1)));
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
    digits += ReadGroups(at);
  }
  const bool comma = !digits.empty() && at.Peek() == ',' && DecimalCommaFollows(at);
  if (comma || (at.Peek() == '.' && IsDigit(at.Peek(1)))) {
    at.Take(comma ? "," : ".");
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

// "minus 5", "negative 5"; after a number, "8 minus 5" is a difference.
bool WordSignBefore(std::string_view text, size_t at) {
  for (const std::string_view word : {"minus ", "negative ", "Minus ", "Negative "}) {
    if (at < word.size() || text.substr(at - word.size(), word.size()) != word) continue;
    std::string_view before = text.substr(0, at - word.size());
    while (before.ends_with(' ')) before.remove_suffix(1);
    return before.empty() || !IsDigit(before.back());
  }
  return false;
}

// The power of a unit or a variable: cm^2, x^2, (a)^2.
bool IsPowerOfAName(std::string_view text, size_t at) {
  if (at < 2 || text[at - 1] != '^') return false;
  return IsLetter(text[at - 2]) || text[at - 2] == ')' || text[at - 2] == '}';
}

bool IsPartOfAName(std::string_view text, size_t at) {
  return at > 0 && (IsLetter(text[at - 1]) || text[at - 1] == '_');
}

// The second point of a version number.
bool IsLatePoint(std::string_view text, size_t at) {
  return at > 0 && text[at] == '.' && IsDigit(text[at - 1]);
}

}  // namespace

std::optional<double> FindNumberInWords(std::string_view text) {
  constexpr std::array<std::string_view, 20> kUnits = {
      "zero",     "one",     "two",     "three",     "four",     "five",    "six",
      "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",  "thirteen",
      "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
  constexpr std::array<std::string_view, 10> kTens = {
      "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"};
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (!IsLetter(c)) c = ' ';
  }
  std::optional<double> last;
  std::string_view before;
  bool after_tens = false;
  for (size_t at = 0; at < lower.size();) {
    const size_t begin = lower.find_first_not_of(' ', at);
    if (begin == std::string::npos) break;
    at = std::min(lower.find(' ', begin), lower.size());
    const std::string_view word = std::string_view(lower).substr(begin, at - begin);
    const auto unit = static_cast<size_t>(std::ranges::find(kUnits, word) - kUnits.begin());
    const auto tens = static_cast<size_t>(std::ranges::find(kTens, word) - kTens.begin());
    const bool negated = before == "not" || before == "than";
    const bool joins = after_tens && unit < 10;
    after_tens = !negated && tens < kTens.size();
    if (joins) *last += static_cast<double>(unit);
    if (!joins && !negated && unit < kUnits.size()) last = static_cast<double>(unit);
    if (after_tens) last = 10.0 * static_cast<double>(tens);
    if (word == "hundred" && last) *last *= 100;
    if ((before == "minus" || before == "negative") && last && unit < kUnits.size()) last = -*last;
    before = word;
  }
  return last;
}

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
    if (IsPowerOfAName(text, at)) {
      c.Digits();
      at = std::max(at + 1, c.at());
      continue;
    }
    const bool negative = (SignApplies(text, at) && (c.Take("-") || c.Take(kMinus))) ||
                          (IsDigit(text[at]) && WordSignBefore(text, at));
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

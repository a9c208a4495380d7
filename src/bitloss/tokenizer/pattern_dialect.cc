// From Oniguruma's Ruby syntax to PCRE2's: what both read alike is passed on, what has another name
// is renamed, everything else is refused.
#include <algorithm>
#include <array>
#include <cctype>

#include "bitloss/tokenizer/pattern.h"

namespace bitloss {
namespace {

// Unicode's general categories mean the same in both.
constexpr std::array<std::string_view, 37> kCategories = {
    "L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N",  "Nd", "Nl",
    "No", "P",  "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S",  "Sm", "Sc", "Sk",
    "So", "Z",  "Zs", "Zl", "Zp", "C",  "Cc", "Cf", "Cn", "Co", "Cs"};
// PCRE2's plain \p{Han} is the script extension, Oniguruma's the script.
constexpr std::array<std::string_view, 10> kScripts = {"Han",      "Hiragana", "Katakana", "Hangul",
                                                       "Latin",    "Cyrillic", "Greek",    "Arabic",
                                                       "Armenian", "Thai"};
// Oniguruma's \w, as found by asking it of every character: Unicode's word characters and, outside
// of classes, six numbers of Latin-1. PCRE2's \w is another set.
constexpr std::string_view kWordInClass = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";
constexpr std::string_view kWordCharacters =
    R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE})";
constexpr std::array<std::string_view, 7> kGroups = {"(?:",  "(?i:", "(?=", "(?!",
                                                     "(?<=", "(?<!", "(?>"};

class Translator {
 public:
  explicit Translator(std::string_view ruby) : ruby_(ruby) {}

  Result<std::string> Run() {
    // Anywhere else Ruby ends its reach at the next | and PCRE2 at the end of the group.
    if (Next("(?i)")) Copy(4);
    while (at_ < ruby_.size()) BITLOSS_DO(Outside());
    return std::move(out_);
  }

 private:
  std::string_view Rest() const { return ruby_.substr(at_); }
  bool Next(std::string_view what) const { return Rest().starts_with(what); }

  void Copy(size_t num_bytes) {
    out_ += ruby_.substr(at_, num_bytes);
    at_ += num_bytes;
  }
  void Replace(size_t num_bytes, std::string_view with) {
    out_ += with;
    at_ += num_bytes;
  }
  Error Refuse(std::string_view what) const {
    return Unsupported("'{}' at byte {} of pattern '{}'", what, at_, ruby_);
  }

  Status Outside() {
    switch (ruby_[at_]) {
      case '\\':
        return Escape(Place::kOutside);
      case '[':
        return Class();
      case '(':
        return Group();
      case '{':
        return Counted();
      case '^':  // lines in Ruby; none begins behind the last line end
        Replace(1, R"((?:\A|(?<=\n)(?!\z)))");
        return Ok();
      case '$':
        Replace(1, R"((?=\n|\z))");
        return Ok();
      default:
        Copy(1);
        return Ok();
    }
  }

  Status Group() {
    if (!Next("(?")) {
      Copy(1);
      return Ok();
    }
    for (const std::string_view group : kGroups) {
      if (Next(group)) {
        Copy(group.size());
        return Ok();
      }
    }
    return Refuse(Rest().substr(0, 3));
  }

  // {n}, {n,}, {n,m}. Ruby reads {,m} and a + after the brace in its own way.
  Status Counted() {
    const size_t end = Rest().find('}');
    const std::string_view inside = Rest().substr(1, end == std::string_view::npos ? 0 : end - 1);
    const bool plain = !inside.empty() && inside.front() != ',' &&
                       inside.find_first_not_of("0123456789,") == std::string_view::npos &&
                       std::count(inside.begin(), inside.end(), ',') <= 1;
    if (!plain || Rest().substr(end + 1, 1) == "+") return Refuse("{");
    Copy(end + 1);
    return Ok();
  }

  Status Class() {
    const size_t start = out_.size();
    Copy(1);
    const bool negated = Next("^");
    if (negated) Copy(1);
    if (Next("]")) return Refuse("[]");
    while (at_ < ruby_.size() && !Next("]")) {
      if (Next("&&") && !negated) return Intersect(start);
      if (Next("[") || Next("&&")) return Refuse(Rest().substr(0, Next("[") ? 1 : 2));
      if (Next("\\")) {
        BITLOSS_DO(Escape(Place::kInClass));
      } else {
        Copy(1);
      }
    }
    if (at_ == ruby_.size()) {
      return BadInput("pattern '{}' is no regular expression: missing ]", ruby_);
    }
    Copy(1);
    return Ok();
  }

  // [ab&&[^b]]: a character of the first class, which began at `start` of the output, that is in
  // the second too. Only a class in brackets may follow, and nothing behind it.
  Status Intersect(size_t start) {
    const std::string first = out_.substr(start) + "]";
    out_.resize(start);
    if (!Rest().substr(2).starts_with('[')) return Refuse("&&");
    at_ += 2;
    BITLOSS_DO(Class());
    if (!Next("]")) return Refuse("&&");
    ++at_;
    const std::string second = out_.substr(start);
    out_.resize(start);
    out_ += "(?:(?=" + second + ")" + first + ")";
    return Ok();
  }

  enum class Place { kOutside, kInClass };

  // What stands for something else outside a class.
  Status Assertion() {
    const std::string word = "[" + std::string(kWordCharacters) + "]";
    const std::string before = "(?<=" + word + ")", not_before = "(?<!" + word + ")";
    const std::string after = "(?=" + word + ")", not_after = "(?!" + word + ")";
    switch (Rest()[1]) {
      case 'b':
        Replace(2, "(?:" + before + not_after + "|" + not_before + after + ")");
        return Ok();
      case 'B':
        Replace(2, "(?:" + before + after + "|" + not_before + not_after + ")");
        return Ok();
      case 'W':
        Replace(2, "[^" + std::string(kWordCharacters) + "]");
        return Ok();
      case 'A':
      case 'z':
      case 'Z':
        Copy(2);
        return Ok();
      default:
        return Refuse(Rest().substr(0, 2));
    }
  }

  Status Escape(Place place) {
    if (Rest().size() < 2) return BadInput("pattern '{}' ends in a backslash", ruby_);
    const char c = Rest()[1];
    switch (c) {
      case 's':
        Replace(2, "\\p{White_Space}");
        return Ok();
      case 'S':
        Replace(2, "\\P{White_Space}");
        return Ok();
      case 'd':
        Replace(2, "\\p{Nd}");
        return Ok();
      case 'D':
        Replace(2, "\\P{Nd}");
        return Ok();
      case 'r':
      case 'n':
      case 't':
      case 'f':
        Copy(2);
        return Ok();
      case 'p':
      case 'P':
        return Property();
      case 'u':
      case 'x':
        return Rest().starts_with("\\x{") ? BracedCodePoint() : CodePoint(c == 'u' ? 4 : 2);
      case 'w':
        Replace(2, place == Place::kInClass ? std::string(kWordInClass)
                                            : "[" + std::string(kWordCharacters) + "]");
        return Ok();
      default:
        if (c >= 0x21 && c <= 0x7E && !std::isalnum(static_cast<unsigned char>(c))) {
          Copy(2);  // an escaped punctuation mark is itself
          return Ok();
        }
        return place == Place::kOutside ? Assertion() : Refuse(Rest().substr(0, 2));
    }
  }

  Status Property() {
    const size_t end = Rest().find('}');
    if (Rest().substr(2, 1) != "{" || end == std::string_view::npos) {
      return Refuse(Rest().substr(0, 2));
    }
    const std::string_view name = Rest().substr(3, end - 3);
    if (std::find(kCategories.begin(), kCategories.end(), name) != kCategories.end()) {
      Copy(end + 1);
      return Ok();
    }
    if (std::find(kScripts.begin(), kScripts.end(), name) != kScripts.end()) {
      out_ += "\\";
      out_ += Rest()[1];
      out_ += "{sc:";
      out_ += name;
      Replace(end + 1, "}");
      return Ok();
    }
    return Refuse(Rest().substr(0, end + 1));
  }

  // \x{H...}, the same in both.
  Status BracedCodePoint() {
    const std::string_view digits = Rest().substr(3, Rest().find('}') - 3);
    const bool hex = !digits.empty() && digits.size() <= 6 &&
                     digits.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
    if (!hex) return Refuse(Rest().substr(0, 3));
    Copy(digits.size() + 4);
    return Ok();
  }

  // \uHHHH and \xHH, the latter for ASCII only: above, Ruby means a byte.
  Status CodePoint(size_t num_digits) {
    const std::string_view digits = Rest().substr(2, num_digits);
    const bool hex = digits.size() == num_digits &&
                     digits.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
    if (!hex || (num_digits == 2 && digits[0] > '7')) return Refuse(Rest().substr(0, 2));
    out_ += "\\x{";
    out_ += digits;
    Replace(2 + num_digits, "}");
    return Ok();
  }

  std::string_view ruby_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

Result<std::string> TranslatePattern(std::string_view ruby) { return Translator(ruby).Run(); }

}  // namespace bitloss

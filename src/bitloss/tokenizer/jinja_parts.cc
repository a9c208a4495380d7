#include "bitloss/tokenizer/jinja_parts.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace bitloss {
namespace {

constexpr std::string_view kWhiteSpace = " \t\r\n\f\v";

bool IsNameCharacter(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// A word of an expression: a string, a name or number, an attribute (".name") or an operator.
struct Word {
  enum class Kind { kString, kName, kAttribute, kOperator } kind;
  std::string text;
};

class Cutter {
 public:
  explicit Cutter(std::string_view source) : source_(source) {
    if (source_.ends_with('\n')) source_.remove_suffix(1);
  }

  Result<std::vector<JinjaPart>> Run() {
    for (;;) {
      const size_t tag = FindTag();
      AddText(TextBefore(tag));
      if (tag == source_.size()) return std::move(parts_);
      at_ = tag;
      BITLOSS_DO(Tag());
    }
  }

 private:
  size_t FindTag() const {
    for (size_t i = at_; i + 1 < source_.size(); ++i) {
      if (source_[i] == '{' && std::string_view("{%#").find(source_[i + 1]) != std::string::npos) {
        return i;
      }
    }
    return source_.size();
  }

  // The text from here to a tag, less the white space that the tag takes away.
  std::string_view TextBefore(size_t tag) const {
    std::string_view text = source_.substr(at_, tag - at_);
    if (tag == source_.size()) return text;
    const char mark = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
    if (mark == '-') return text.substr(0, text.find_last_not_of(kWhiteSpace) + 1);
    if (source_[tag + 1] == '{' || mark == '+') return text;
    const size_t line = text.rfind('\n') + 1;  // lstrip_blocks
    const bool only_white_space = text.find_first_not_of(" \t", line) == std::string_view::npos;
    return (line > 0 || at_line_start_) && only_white_space ? text.substr(0, line) : text;
  }

  Status Tag() {
    const char kind = source_[at_ + 1];
    at_ += 2;
    if (kind == '#') return Comment();
    if (Here("-") || Here("+")) ++at_;
    const std::string_view end = kind == '{' ? "}}" : "%}";
    BITLOSS_TRY(const std::vector<Word> words, Words(end));
    CloseTag(end);
    if (kind == '{') {
      AddOutput(words);
    } else {
      parts_.push_back({JinjaPart::Kind::kStatement, Spell(words)});
    }
    return Ok();
  }

  Status Comment() {
    const size_t end = source_.find("#}", at_);
    if (end == std::string_view::npos) return Unsupported("a comment without an end");
    at_ = end > at_ && source_[end - 1] == '-' ? end - 1 : end;
    CloseTag("#}");
    return Ok();
  }

  // Over the end of a tag and the white space that it takes away.
  void CloseTag(std::string_view end) {
    const bool strip = Here("-");
    at_ += end.size() + (strip ? 1 : 0);
    const size_t begin = at_;
    if (strip) {
      at_ = std::min(source_.find_first_not_of(kWhiteSpace, at_), source_.size());
    } else if (end != "}}" && Here("\n")) {
      ++at_;  // trim_blocks
    }
    at_line_start_ = at_ > begin && source_[at_ - 1] == '\n';
  }

  bool Here(std::string_view what) const { return source_.substr(at_).starts_with(what); }

  Result<std::vector<Word>> Words(std::string_view end) {
    std::vector<Word> words;
    for (;;) {
      at_ = std::min(source_.find_first_not_of(kWhiteSpace, at_), source_.size());
      if (at_ == source_.size()) return Unsupported("a tag without an end");
      if (Here(end) || Here("-" + std::string(end))) return words;
      BITLOSS_TRY(Word word, NextWord());
      words.push_back(std::move(word));
      JoinSubscript(words);
    }
  }

  Result<Word> NextWord() {
    const char c = source_[at_];
    if (c == '\'' || c == '"') return String(c);
    if (IsNameCharacter(c)) return Word{Word::Kind::kName, Name()};
    if (c == '.' && at_ + 1 < source_.size() && IsNameCharacter(source_[at_ + 1])) {
      ++at_;
      return Word{Word::Kind::kAttribute, Name()};
    }
    for (const std::string_view two : {"==", "!=", "<=", ">=", "//", "**"}) {
      if (Here(two)) {
        at_ += 2;
        return Word{Word::Kind::kOperator, std::string(two)};
      }
    }
    ++at_;
    return Word{Word::Kind::kOperator, std::string(1, c)};
  }

  std::string Name() {
    const size_t begin = at_;
    while (at_ < source_.size() && IsNameCharacter(source_[at_])) ++at_;
    return std::string(source_.substr(begin, at_ - begin));
  }

  Result<Word> String(char quote) {
    constexpr std::string_view kEscapes = "nrt\\'\"";
    constexpr std::string_view kMeanings = "\n\r\t\\'\"";
    Word word{Word::Kind::kString, {}};
    for (++at_; at_ < source_.size() && source_[at_] != quote; ++at_) {
      if (source_[at_] != '\\') {
        word.text += source_[at_];
        continue;
      }
      ++at_;
      const size_t escape = at_ < source_.size() ? kEscapes.find(source_[at_]) : std::string::npos;
      if (escape == std::string::npos) return Unsupported("an escape sequence in a string");
      word.text += kMeanings[escape];
    }
    if (at_ == source_.size()) return Unsupported("a string without an end");
    ++at_;
    return word;
  }

  // a['b'] is a.b.
  static void JoinSubscript(std::vector<Word>& words) {
    const size_t n = words.size();
    if (n < 4 || words[n - 1].text != "]" || words[n - 3].text != "[") return;
    const Word& key = words[n - 2];
    const Word& owner = words[n - 4];
    const bool is_subscript = owner.kind == Word::Kind::kName ||
                              owner.kind == Word::Kind::kAttribute || owner.text == "]";
    const bool is_name = key.kind == Word::Kind::kString && !key.text.empty() &&
                         std::all_of(key.text.begin(), key.text.end(), IsNameCharacter);
    if (!is_subscript || !is_name) return;
    Word attribute{Word::Kind::kAttribute, key.text};
    words.resize(n - 3);
    words.push_back(std::move(attribute));
  }

  static std::string Spell(const std::vector<Word>& words) {
    constexpr char kSeparator = '\x1F';
    std::string text;
    for (const Word& word : words) {
      constexpr std::array<char, 4> kMarks = {'"', 'n', '.', 'o'};
      text += kMarks[static_cast<size_t>(word.kind)];
      text += word.text;
      text += kSeparator;
    }
    return text;
  }

  // A sum prints its terms one after the other, if they are strings and attributes of names, as all
  // that templates add up are; anything else is left whole.
  void AddOutput(const std::vector<Word>& words) {
    std::vector<std::vector<Word>> terms(1);
    for (const Word& word : words) {
      if (word.kind == Word::Kind::kOperator) {
        if (word.text == "+") {
          terms.emplace_back();
          continue;
        }
        const bool subscript = word.text == "[" || word.text == "]";
        if (!subscript) {
          parts_.push_back({JinjaPart::Kind::kOutput, Spell(words)});
          return;
        }
      }
      terms.back().push_back(word);
    }
    for (const auto& term : terms) {
      if (term.size() == 1 && term[0].kind == Word::Kind::kString) {
        AddText(term[0].text);
      } else {
        parts_.push_back({JinjaPart::Kind::kOutput, Spell(term)});
      }
    }
  }

  void AddText(std::string_view text) {
    if (text.empty()) return;
    if (!parts_.empty() && parts_.back().kind == JinjaPart::Kind::kText) {
      parts_.back().content += text;
    } else {
      parts_.push_back({JinjaPart::Kind::kText, std::string(text)});
    }
  }

  std::string_view source_;
  size_t at_ = 0;
  bool at_line_start_ = true;
  std::vector<JinjaPart> parts_;
};

}  // namespace

Result<std::vector<JinjaPart>> CutJinja(std::string_view source) { return Cutter(source).Run(); }

}  // namespace bitloss

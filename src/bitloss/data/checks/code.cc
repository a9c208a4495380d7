// code: the answer's program text looks whole. Nothing is run; this is the lexical part only.
//
// The text is the first fenced block, else the answer. Strings and comments are told apart by the
// rules of `language`; every bracket closes, every string ends, no placeholder stands for the work
// ("TODO", "your code here", a lone "..."), the identifiers and the signature are there. Python:
// indentation never mixes tabs and spaces, a line that ends with ":" is followed by a deeper one,
// and a dedent returns to a level that was open.
#include <algorithm>
#include <array>

#include "bitloss/data/checks/answer_text.h"
#include "bitloss/data/checks/list.h"

namespace bitloss {
namespace {

enum class Language { kPython, kC, kJavaScript };

// The code with comments and the insides of strings blanked out, or a fault.
struct Lexed {
  std::string code;
  std::string fault;
};

class Lexer {
 public:
  Lexer(std::string_view text, Language language) : text_(text), language_(language) {}

  Lexed Run() {
    while (at_ < text_.size() && out_.fault.empty()) Step();
    if (out_.fault.empty() && !open_.empty()) {
      out_.fault = std::string("'") + open_.back() + "' is never closed";
    }
    return std::move(out_);
  }

 private:
  bool At(std::string_view token) const { return text_.substr(at_).starts_with(token); }

  void Step() {
    const char c = text_[at_];
    if (language_ == Language::kPython && c == '#') {
      SkipUntil("\n");
    } else if (language_ != Language::kPython && At("//")) {
      SkipUntil("\n");
    } else if (language_ != Language::kPython && At("/*")) {
      SkipUntil("*/");
      at_ += std::min<size_t>(2, text_.size() - at_);
    } else if (language_ == Language::kPython && (At("\"\"\"") || At("'''"))) {
      SkipString(text_.substr(at_, 3));
    } else if (c == '"' || c == '\'' || (c == '`' && language_ == Language::kJavaScript)) {
      SkipString(text_.substr(at_, 1));
    } else {
      Bracket(c);
      out_.code += c;
      ++at_;
    }
  }

  void SkipUntil(std::string_view end) { at_ = std::min(text_.find(end, at_), text_.size()); }

  void SkipString(std::string_view quote) {
    const bool one_line = quote.size() == 1 && quote != "`";
    out_.code += quote;
    for (at_ += quote.size(); at_ < text_.size(); ++at_) {
      if (At(quote)) {
        at_ += quote.size();
        out_.code += quote;
        return;
      }
      if (text_[at_] == '\n') {
        if (one_line) break;
        out_.code += ' ';
      }
      if (text_[at_] == '\\') ++at_;
    }
    out_.fault = "a string is never closed";
  }

  void Bracket(char c) {
    constexpr std::string_view kOpen = "([{";
    constexpr std::string_view kClose = ")]}";
    if (kOpen.find(c) != std::string_view::npos) open_ += c;
    const size_t kind = kClose.find(c);
    if (kind == std::string_view::npos) return;
    if (open_.empty() || open_.back() != kOpen[kind]) {
      out_.fault = std::string("'") + c + "' closes nothing";
      return;
    }
    open_.pop_back();
  }

  std::string_view text_;
  Language language_;
  size_t at_ = 0;
  std::string open_;
  Lexed out_;
};

// What is wrong with the indentation of Python code; empty if nothing is.
std::string FindIndentFault(std::string_view code) {
  std::vector<size_t> levels = {0};
  bool expects_deeper = false;
  size_t depth = 0;  // of brackets: lines inside them are free
  for (const std::string_view line : NonBlankLines(code)) {
    const size_t indent = std::min(line.find_first_not_of(" \t"), line.size());
    const std::string_view margin = line.substr(0, indent);
    const bool continues = depth > 0;
    for (const char c : line) {
      if (c == '(' || c == '[' || c == '{') ++depth;
      if (c == ')' || c == ']' || c == '}') --depth;
    }
    if (continues) continue;
    if (margin.find('\t') != std::string_view::npos && margin.find(' ') != std::string_view::npos) {
      return "indentation mixes tabs and spaces";
    }
    if (expects_deeper && indent <= levels.back()) return "a block is missing after ':'";
    if (!expects_deeper && indent > levels.back()) return "a line is indented without reason";
    if (indent > levels.back()) levels.push_back(indent);
    while (indent < levels.back()) levels.pop_back();
    if (indent != levels.back()) return "a dedent matches no outer level";
    expects_deeper = Trim(line).ends_with(':');
  }
  return expects_deeper ? "a block is missing after ':'" : "";
}

// A stand-in for the work; empty if there is none.
std::string FindPlaceholder(std::string_view text, std::string_view code) {
  constexpr std::array<std::string_view, 5> kPhrases = {"todo", "your code here", "code goes here",
                                                        "fixme", "implementation here"};
  const std::string folded = Normalize(text, Normalization());
  for (const std::string_view phrase : kPhrases) {
    if (FindText(folded, phrase, Match::kWholeWords) != std::string_view::npos) {
      return std::string(phrase);
    }
  }
  for (const std::string_view line : NonBlankLines(code)) {
    if (Trim(line) == "...") return "...";
  }
  return {};
}

std::string WithoutSpaces(std::string_view text) {
  std::string out(text);
  std::erase_if(out, [](char c) { return c == ' ' || c == '\t'; });
  return out;
}

struct Wanted {
  Language language = Language::kPython;
  std::vector<std::string> identifiers;
  std::string signature;
  bool placeholders_allowed = false;
};

std::string FindFault(std::string_view text, const Wanted& wanted) {
  if (Trim(text).empty()) return "no code";
  const Lexed lexed = Lexer(text, wanted.language).Run();
  if (!lexed.fault.empty()) return lexed.fault;
  for (const std::string& identifier : wanted.identifiers) {
    if (FindText(lexed.code, identifier, Match::kWholeWords) == std::string_view::npos) {
      return "no '" + Excerpt(identifier) + "'";
    }
  }
  if (!wanted.signature.empty() &&
      WithoutSpaces(lexed.code).find(WithoutSpaces(wanted.signature)) == std::string::npos) {
    return "no '" + Excerpt(wanted.signature) + "'";
  }
  if (!wanted.placeholders_allowed) {
    if (const std::string found = FindPlaceholder(text, lexed.code); !found.empty()) {
      return "placeholder '" + found + "'";
    }
  }
  return wanted.language == Language::kPython ? FindIndentFault(lexed.code) : "";
}

}  // namespace

Result<Judge> CompileCode(Fields& fields) {
  constexpr std::string_view kLanguages[] = {"python", "c", "javascript"};
  Wanted wanted;
  BITLOSS_TRY(const size_t language, fields.OneOf("language", kLanguages, 0));
  wanted.language = static_cast<Language>(language);
  BITLOSS_TRY(wanted.identifiers, fields.StringsOr("identifiers", {}));
  BITLOSS_TRY(wanted.signature, fields.StringOr("signature", ""));
  BITLOSS_TRY(wanted.placeholders_allowed, fields.BoolOr("allow_placeholders", false));
  return Judge([wanted](const AnswerView& answer) -> Judged {
    const auto block = FirstFencedBlock(answer.scoped);
    const std::string fault = FindFault(block.value_or(answer.scoped), wanted);
    return Decide(fault.empty(), fault.empty() ? "looks whole" : fault);
  });
}

}  // namespace bitloss

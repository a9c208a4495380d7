// code: the answer's program text is whole and, in Python, returns what was asked for. Nothing is
// run: a function is read, and what it returns is brought to a normal form and compared with the
// accepted expressions. Where it is not understood it is undecided.
//
// The text is the first fenced block, else the answer. Strings and comments are told apart by the
// rules of `language`; every bracket closes, every string ends, no placeholder stands for the work
// ("TODO", "your code here", a lone "..."), the identifiers are there, and the signature:
// in Python a function of that name ("_": of any) and those parameters, however it is written.
// Python: indentation never mixes tabs and spaces, a line that ends with ":" is followed by a
// deeper one, and a dedent returns to a level that was open.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "bitloss/data/checks/answer_text.h"
#include "bitloss/data/checks/list.h"
#include "bitloss/data/checks/python_function.h"

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
    if (continues) {
      if (depth == 0) expects_deeper = Trim(line).ends_with(':');
      continue;
    }
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
  std::optional<PythonFunction> function = {};  // of a Python signature
  std::vector<std::string> returns = {};        // normal forms
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
  if (!wanted.function && !wanted.signature.empty() &&
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

// Every parameter by its own name, or by its place if the function may have any name.
PythonNames Places(const std::vector<PythonParameter>& parameters, size_t count) {
  PythonNames places;
  for (size_t i = 0; i < count; ++i) {
    places[parameters[i].name] = {"name " + std::to_string(i)};
  }
  return places;
}

PythonExpression Replaced(PythonExpression e, const PythonNames& names) {
  if (e.op.starts_with("name ")) {
    const auto found = names.find(e.op.substr(5));
    if (found != names.end()) return found->second;
  }
  if (e.args.empty()) return e;
  for (PythonExpression& arg : e.args) arg = Replaced(std::move(arg), names);
  return MakePython(e.op, std::move(e.args));
}

// The names of parameters are asked for unless the function may have any, or they begin with "_".
bool MayBeCalled(const PythonFunction& asked, size_t parameter, std::string_view name) {
  const std::string& wanted = asked.parameters[parameter].name;
  return asked.name == "_" || wanted.starts_with('_') || wanted == name;
}

Judged JudgeFunction(std::string_view text, const Wanted& wanted) {
  const PythonFunction& asked = *wanted.function;
  const std::optional<PythonFunction> found = FindPythonFunction(text, asked.name);
  if (!found) return Decide(false, "no '" + Excerpt(wanted.signature) + "'");
  const size_t count = asked.parameters.size();
  bool fits = found->parameters.size() >= count;
  for (size_t i = 0; fits && i < found->parameters.size(); ++i) {
    fits = i < count ? MayBeCalled(asked, i, found->parameters[i].name)
                     : found->parameters[i].has_default;
  }
  if (!fits) return Decide(false, "no '" + Excerpt(wanted.signature) + "'");
  if (wanted.returns.empty()) return Decide(true, "looks whole");
  const PythonExpression returned = Replaced(found->returned, Places(found->parameters, count));
  const std::string form = returned.Text();
  if (std::ranges::find(wanted.returns, form) != wanted.returns.end()) {
    return Decide(true, "returns what was asked for");
  }
  if (!returned.IsUnderstood() || found->parameters.size() > count) {
    return Undecided("returns something that is not understood");
  }
  return Decide(false, "returns " + Excerpt(form));
}

// "signature" and "returns" of a Python function.
Status ReadFunction(Fields& fields, Wanted& wanted) {
  const OrderedJson* returns = fields.Find("returns");
  if (wanted.language != Language::kPython || wanted.signature.empty()) {
    if (returns == nullptr) return Ok();
    return fields.Bad("returns", "needs a 'signature', in Python");
  }
  const std::string header = wanted.signature + (wanted.signature.ends_with(':') ? "" : ":");
  wanted.function = FindPythonFunction(header + " pass", "_");
  if (!wanted.function) return fields.Bad("signature", "'def name(parameters)' is expected");
  BITLOSS_TRY(const std::vector<std::string> accepted, fields.StringsOr("returns", {}));
  const std::vector<PythonParameter>& parameters = wanted.function->parameters;
  const PythonNames places = Places(parameters, parameters.size());
  for (const std::string& text : accepted) {
    const auto body = FindPythonFunction(header + " return " + text, "_");
    if (!body || body->returned.op == "unknown") {
      return fields.Bad("returns", "'" + text + "' is no expression that is read");
    }
    wanted.returns.push_back(Replaced(body->returned, places).Text());
  }
  return Ok();
}

}  // namespace

Result<CheckFunction> CompileCode(Fields& fields) {
  constexpr std::string_view kLanguages[] = {"python", "c", "javascript"};
  Wanted wanted;
  BITLOSS_TRY(const size_t language, fields.OneOf("language", kLanguages, 0));
  wanted.language = static_cast<Language>(language);
  BITLOSS_TRY(wanted.identifiers, fields.StringsOr("identifiers", {}));
  BITLOSS_TRY(wanted.signature, fields.StringOr("signature", ""));
  BITLOSS_TRY(wanted.placeholders_allowed, fields.BoolOr("allow_placeholders", false));
  BITLOSS_DO(ReadFunction(fields, wanted));
  return CheckFunction([wanted](const AnswerView& answer) -> Judged {
    const std::string_view text = FirstFencedBlock(answer.scoped).value_or(answer.scoped);
    const std::string fault = FindFault(text, wanted);
    if (!fault.empty()) return Decide(false, fault);
    return wanted.function ? JudgeFunction(text, wanted) : Decide(true, "looks whole");
  });
}

}  // namespace bitloss

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bitloss/cli/command_docs.h"
#include "bitloss/cli/exit_codes.h"
#include "bitloss/cli/topics.h"
#include "bitloss/cli/version.h"

namespace bitloss {
namespace {

// Text as roff takes it: no character of it is a command.
std::string Plain(std::string_view text) {
  std::string plain;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) plain += "\\&";
    if (c == '\\') {
      plain += "\\e";
    } else if (c == '-') {
      plain += "\\-";
    } else {
      plain += c;
    }
    line_begins = c == '\n';
  }
  return plain;
}

std::string Upper(std::string_view text) {
  std::string upper;
  for (const char c : text) {
    upper += c == '-' ? ' ' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return upper;
}

std::string Option(const OptionDoc& option) {
  const std::string names = Plain(fmt::format("{}", fmt::join(option.names, ", ")));
  std::string text = fmt::format(".TP\n\\fB{}\\fR", names);
  if (!option.positional && !option.value.empty()) text += fmt::format(" \\fI{}\\fR", option.value);
  text += "\n" + Plain(option.description);
  if (option.required) text += " (required)";
  if (!option.words.empty()) {
    text += Plain(fmt::format(". Known: {}", fmt::join(option.words, ", ")));
  }
  if (!option.default_value.empty()) text += Plain(". Default: " + option.default_value);
  return text + ".\n";
}

std::string Command(const CommandDoc& command) {
  std::string usage = "bitloss " + command.name + " [OPTIONS]";
  for (const OptionDoc& option : command.options) {
    if (!option.positional) continue;
    const std::string& name = option.names[0];
    usage += option.required ? " " + name : " [" + name + "]";
  }
  std::string text = fmt::format(".SS {}\n{}.\n", Plain(usage), Plain(command.description));
  for (const bool positional : {true, false}) {
    for (const OptionDoc& option : command.options) {
      if (option.positional == positional) text += Option(option);
    }
  }
  return text + ".PP\n" + Plain(command.footer) + ".\n";
}

// As it stands: these texts have columns.
std::string Verbatim(std::string_view text) { return fmt::format(".nf\n{}\n.fi\n", Plain(text)); }

}  // namespace

std::string ManualPage(const std::vector<CommandDoc>& commands) {
  const CommandDoc& program = commands.front();
  std::string page = fmt::format(
      ".TH BITLOSS 1 \"\" \"bitloss {}\" \"User Commands\"\n.SH NAME\nbitloss \\- {}\n"
      ".SH SYNOPSIS\n\\fBbitloss\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n.SH OPTIONS\n",
      VersionNumber(), "what quantization costs a language model");
  for (const OptionDoc& option : program.options) page += Option(option);
  page += ".SH COMMANDS\n";
  for (size_t i = 1; i < commands.size(); ++i) page += Command(commands[i]);
  for (const Topic& topic : Topics()) {
    page +=
        fmt::format(".SH {}\n{}", topic.name == "exit-codes" ? "EXIT STATUS" : Upper(topic.name),
                    Verbatim(topic.text));
  }
  return page;
}

}  // namespace bitloss

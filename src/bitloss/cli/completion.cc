#include <fmt/format.h>
#include <fmt/ranges.h>

#include <span>

#include "bitloss/cli/command_docs.h"
#include "bitloss/cli/version.h"

namespace bitloss {
namespace {

// What follows the program itself.
std::span<const CommandDoc> Commands(const std::vector<CommandDoc>& all) {
  return std::span(all).subspan(1);
}

std::string Join(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, " "));
}

std::string CommandNames(const std::vector<CommandDoc>& all) {
  std::vector<std::string> names;
  for (const CommandDoc& command : Commands(all)) names.push_back(command.name);
  return Join(names);
}

std::string OptionNames(const CommandDoc& command) {
  std::vector<std::string> names;
  for (const OptionDoc& option : command.options) {
    if (!option.positional) names.insert(names.end(), option.names.begin(), option.names.end());
  }
  return Join(names);
}

// What a menu has room for: the description as far as its first stop.
std::string Gist(const std::string& description) {
  size_t end = description.size();
  for (const char* stop : {"; ", ": ", ". "}) end = std::min(end, description.find(stop));
  return description.substr(0, end);
}

std::string Replace(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// --- bash. Where there are no words to offer, it completes names of files (-o default).

std::string BashCases(const CommandDoc& command) {
  std::string cases;
  for (const OptionDoc& option : command.options) {
    if (option.words.empty() || option.positional) continue;
    for (const std::string& name : option.names) {
      cases += fmt::format("    '{} {}') words='{}' ;;\n", command.name, name, Join(option.words));
    }
  }
  return cases;
}

std::string Bash(const std::vector<CommandDoc>& all) {
  std::string values, others;
  for (const CommandDoc& command : Commands(all)) {
    values += BashCases(command);
    others += fmt::format("        '{} -'*) words='{}' ;;\n", command.name, OptionNames(command));
    for (const OptionDoc& option : command.options) {
      if (!option.positional || option.words.empty()) continue;
      others += fmt::format("        '{} '*) words='{}' ;;\n", command.name, Join(option.words));
    }
  }
  return fmt::format(R"(# Completion of bitloss {} for bash, made by 'bitloss completion bash'.
_bitloss() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} option=${{COMP_WORDS[COMP_CWORD - 1]}} words=
  # --option=value comes as three words.
  if [[ $word == = ]]; then word=; fi
  if [[ $option == = ]]; then option=${{COMP_WORDS[COMP_CWORD - 2]}}; fi
  if ((COMP_CWORD == 1)); then
    words='{} {}'
  else
    case "${{COMP_WORDS[1]}} $option" in
{}    *)
      case "${{COMP_WORDS[1]}} $word" in
{}      esac
      ;;
    esac
  fi
  # Of a list, what follows the last comma.
  mapfile -t COMPREPLY < <(compgen -P "${{word%"${{word##*,}}"}}" -W "$words" -- "${{word##*,}}")
}}
complete -o default -F _bitloss bitloss
)",
                     VersionNumber(), CommandNames(all), OptionNames(all.front()), values, others);
}

// --- zsh.

std::string ZshText(const std::string& text) {
  std::string quoted = Replace(text, "\\", "\\\\");
  for (const char* special : {"[", "]", ":"}) {
    quoted = Replace(quoted, special, std::string("\\") + special);
  }
  return Replace(quoted, "'", "'\\''");
}

std::string ZshAction(const OptionDoc& option) {
  if (option.words.empty()) return "_files";
  return (option.list ? "_sequence compadd - " : "compadd - ") + Join(option.words);
}

std::string ZshArgument(const OptionDoc& option) {
  if (option.positional) {
    return fmt::format(" \\\n        '*:{}:{}'", ZshText(option.names[0]), ZshAction(option));
  }
  std::string text;
  for (const std::string& name : option.names) {
    text += fmt::format(" \\\n        '*{}[{}]{}'", name, ZshText(Gist(option.description)),
                        option.value.empty()
                            ? ""
                            : fmt::format(":{}:{}", ZshText(option.value), ZshAction(option)));
  }
  return text;
}

std::string Zsh(const std::vector<CommandDoc>& all) {
  std::string names, cases;
  for (const CommandDoc& command : Commands(all)) {
    names += fmt::format("      '{}:{}'\n", command.name, ZshText(Gist(command.description)));
    cases += fmt::format("    {})\n      _arguments", command.name);
    for (const OptionDoc& option : command.options) cases += ZshArgument(option);
    cases += "\n      ;;\n";
  }
  return fmt::format(R"(#compdef bitloss
# Completion of bitloss {} for zsh, made by 'bitloss completion zsh'.
_bitloss() {{
  if (( CURRENT == 2 )); then
    local -a commands=(
{}    )
    _describe command commands
    compadd - {}
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
{}  esac
}}
if [[ $funcstack[1] == _bitloss ]]; then
  _bitloss "$@"
else
  compdef _bitloss bitloss
fi
)",
                     VersionNumber(), names, OptionNames(all.front()), cases);
}

// --- fish.

std::string FishText(const std::string& text) {
  return "'" + Replace(Replace(text, "\\", "\\\\"), "'", "\\'") + "'";
}

std::string FishOption(const std::string& when, const OptionDoc& option) {
  std::string line = fmt::format("complete -c bitloss -n {}", when);
  for (const std::string& name : option.names) {
    if (option.positional) continue;
    line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  if (!option.words.empty()) {
    const std::string words = Join(option.words);
    line += (option.positional ? " -a " : " -x -a ") +
            FishText(option.list ? fmt::format("(__fish_append , {})", words) : words);
  } else if (!option.value.empty()) {
    line += " -r";
  }
  return line + " -d " + FishText(Gist(option.description)) + "\n";
}

std::string Fish(const std::vector<CommandDoc>& all) {
  std::string script = fmt::format(
      "# Completion of bitloss {} for fish, made by 'bitloss completion fish'.\n", VersionNumber());
  for (const CommandDoc& command : Commands(all)) {
    script += fmt::format("complete -c bitloss -n __fish_use_subcommand -f -a {} -d {}\n",
                          command.name, FishText(Gist(command.description)));
  }
  for (const CommandDoc& command : all) {
    const std::string when = command.name.empty()
                                 ? "__fish_use_subcommand"
                                 : fmt::format("'__fish_seen_subcommand_from {}'", command.name);
    for (const OptionDoc& option : command.options) {
      if (option.positional && option.words.empty()) continue;  // a file
      script += FishOption(when, option);
    }
  }
  return script;
}

struct Shell {
  const char* name;
  std::string (*script)(const std::vector<CommandDoc>& all);
};
constexpr Shell kShells[] = {{"bash", Bash}, {"zsh", Zsh}, {"fish", Fish}};

}  // namespace

std::vector<std::string> CompletionShells() {
  std::vector<std::string> names;
  for (const Shell& shell : kShells) names.emplace_back(shell.name);
  return names;
}

Result<std::string> CompletionScript(const std::vector<CommandDoc>& commands,
                                     const std::string& shell) {
  for (const Shell& known : kShells) {
    if (shell == known.name) return known.script(commands);
  }
  return NotFound("there is no completion for '{}'; there is for {}", shell,
                  fmt::join(CompletionShells(), ", "));
}

}  // namespace bitloss

// What the commands and their options are, read from the one declaration of them: what manual page
// and completions are made of.
#ifndef BITLOSS_CLI_COMMAND_DOCS_H_
#define BITLOSS_CLI_COMMAND_DOCS_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "bitloss/base/result.h"

namespace bitloss {

struct OptionDoc {
  std::vector<std::string> names;  // "-h", "--help"; of a positional, the one it has in usage
  bool positional = false;
  bool required = false;
  std::string value;               // "TEXT", "UINT"; empty for a flag
  std::vector<std::string> words;  // what a value may be, if that can be listed
  bool list = false;               // several values, separated by commas
  std::string description;
  std::string default_value;
};

struct CommandDoc {
  std::string name;  // "run"; of the program itself, empty
  std::string description;
  std::string footer;
  std::vector<OptionDoc> options;
};

// The program itself, then every command that its help lists.
std::vector<CommandDoc> DescribeCommands(const CLI::App& app);

// bitloss(1), for man.
std::string ManualPage(const std::vector<CommandDoc>& commands);

// What a shell sources to complete command lines. kNotFound if `shell` is none of these.
std::vector<std::string> CompletionShells();
Result<std::string> CompletionScript(const std::vector<CommandDoc>& commands,
                                     const std::string& shell);

}  // namespace bitloss

#endif  // BITLOSS_CLI_COMMAND_DOCS_H_

#ifndef BITLOSS_CLI_CHAT_OPTIONS_H_
#define BITLOSS_CLI_CHAT_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace bitloss {

// --set: what a chat template is given beside the conversation.
inline void AddSetOption(CLI::App& command, std::vector<std::string>& variables) {
  command
      .add_option("--set", variables,
                  "A variable of the chat template, as in enable_thinking=false: a name and a JSON "
                  "value; may be repeated")
      ->type_name("NAME=JSON")
      ->allow_extra_args(false);
}

// --chat-template and --set.
inline void AddChatOptions(CLI::App& command, std::string& chat_template,
                           std::vector<std::string>& variables) {
  command.add_option("--chat-template", chat_template,
                     "Instead of the model's own chat template: a file, the name of another of its "
                     "templates, or chatml");
  AddSetOption(command, variables);
}

}  // namespace bitloss

#endif  // BITLOSS_CLI_CHAT_OPTIONS_H_

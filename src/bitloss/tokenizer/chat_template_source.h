#ifndef BITLOSS_TOKENIZER_CHAT_TEMPLATE_SOURCE_H_
#define BITLOSS_TOKENIZER_CHAT_TEMPLATE_SOURCE_H_

#include <string>

namespace bitloss {

// A chat template that comes with a model.
struct ChatTemplateSource {
  std::string name;    // "default", "tool_use", ...
  std::string jinja;   // its text
  std::string origin;  // the file or GGUF key that it is in, for messages
};

// A token that templates know by a name: {"bos_token", "<s>"}.
struct NamedToken {
  std::string name;
  std::string content;
};

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_CHAT_TEMPLATE_SOURCE_H_

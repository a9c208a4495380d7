// Which chat template renders a model's conversations, and with which variables.
#ifndef BITLOSS_STUDY_CHAT_CHOICE_H_
#define BITLOSS_STUDY_CHAT_CHOICE_H_

#include <optional>
#include <span>
#include <string>

#include "bitloss/base/result.h"
#include "bitloss/templates/chat_template.h"
#include "bitloss/tokenizer/tokenizer.h"

namespace bitloss {

// The model's own template, named "default" where there are several; or what the user names
// instead: one of the model's by its name, "chatml" (plain ChatML), or a file. None if the model
// has no template and nothing is named: it is a base model, which reads prompts as they are.
// kBadInput for a template that cannot be read, or if there are several and no default one.
Result<std::optional<ChatTemplate>> ChooseChatTemplate(const Tokenizer& tokenizer,
                                                       const std::string& override_name);

// The same where there must be one; kBadInput names the way out.
Result<ChatTemplate> RequireChatTemplate(const Tokenizer& tokenizer,
                                         const std::string& override_name);

// "NAME=JSON", as `--set` takes them. kBadInput names one that is not.
Result<ChatVariables> ParseChatVariables(std::span<const std::string> settings);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_CHAT_CHOICE_H_

#ifndef BITLOSS_TOKENIZER_CHAT_TEMPLATE_FILES_H_
#define BITLOSS_TOKENIZER_CHAT_TEMPLATE_FILES_H_

#include <filesystem>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/checkpoint/gguf.h"
#include "bitloss/tokenizer/chat_template_source.h"
#include "bitloss/tokenizer/json_fields.h"

namespace bitloss {

// The templates of a model folder, as transformers looks for them; the first that exists wins:
// chat_template.jinja with additional_chat_templates/NAME.jinja beside it; `chat_template` of
// tokenizer_config.json (`config`), a text or a list of named ones; chat_template.json. `config` is
// null without a tokenizer_config.json.
Result<std::vector<ChatTemplateSource>> FindChatTemplates(const std::filesystem::path& folder,
                                                          const JsonFields* config);

// Those of a GGUF file: tokenizer.chat_template is the default one, tokenizer.chat_templates names
// the others, which are in tokenizer.chat_template.NAME.
Result<std::vector<ChatTemplateSource>> FindChatTemplates(const GgufMetadata& metadata);

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_CHAT_TEMPLATE_FILES_H_

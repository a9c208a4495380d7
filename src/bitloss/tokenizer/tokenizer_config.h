// tokenizer_config.json, as far as it decides what a tokenizer does.
#ifndef BITLOSS_TOKENIZER_TOKENIZER_CONFIG_H_
#define BITLOSS_TOKENIZER_TOKENIZER_CONFIG_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/tokenizer/chat_template_source.h"

namespace bitloss {

struct TokenizerConfig {
  struct ListedToken {
    uint64_t id;
    std::string content;
  };
  std::optional<std::string> bos_token;
  std::optional<std::string> eos_token;
  bool add_bos_token = false;
  bool add_eos_token = false;
  std::vector<NamedToken> named_tokens;  // bos_token and so on, those that there are
  std::vector<ChatTemplateSource> chat_templates;
  std::vector<ListedToken> added_tokens;  // added_tokens_decoder
};

// The file in `folder`, or all defaults if there is none; chat templates are looked for beside it
// too (chat_template_files.h).
Result<TokenizerConfig> ReadTokenizerConfig(const std::filesystem::path& folder);

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_TOKENIZER_CONFIG_H_

// tokenizer_config.json, as far as it decides what a tokenizer does.
#ifndef BITLOSS_TOKENIZER_TOKENIZER_CONFIG_H_
#define BITLOSS_TOKENIZER_TOKENIZER_CONFIG_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "bitloss/base/result.h"

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
  std::string chat_template;              // of the name "default" if there are several
  std::vector<ListedToken> added_tokens;  // added_tokens_decoder
};

// The file in `folder`, or all defaults if there is none; chat_template.jinja beside it wins over
// its own template, as in transformers.
Result<TokenizerConfig> ReadTokenizerConfig(const std::filesystem::path& folder);

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_TOKENIZER_CONFIG_H_

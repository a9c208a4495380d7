#include "bitloss/tokenizer/tokenizer_config.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "bitloss/base/file.h"
#include "bitloss/json/parse.h"
#include "bitloss/tokenizer/chat_template_files.h"
#include "bitloss/tokenizer/json_fields.h"

namespace bitloss {
namespace {

using Json = nlohmann::json;
constexpr size_t kMaxConfigBytes = size_t{64} << 20;

// "<s>", {"content": "<s>", ...} or nothing.
Result<std::optional<std::string>> ReadToken(const JsonFields& config, std::string_view key) {
  const Json* value = config.Find(key);
  if (value == nullptr) return std::optional<std::string>();
  if (value->is_string()) return std::optional(value->get<std::string>());
  BITLOSS_TRY(const JsonFields token, JsonFields::Of(*value, config.PathOf(key)));
  BITLOSS_TRY(std::string content, token.String("content"));
  return std::optional(std::move(content));
}

// The tokens that chat templates know by name.
Result<std::vector<NamedToken>> ReadNamedTokens(const JsonFields& config) {
  std::vector<NamedToken> tokens;
  for (const char* name : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                           "cls_token", "mask_token"}) {
    BITLOSS_TRY(auto content, ReadToken(config, name));
    if (content) tokens.push_back({name, *std::move(content)});
  }
  return tokens;
}

Result<std::vector<TokenizerConfig::ListedToken>> ReadListedTokens(const JsonFields& config) {
  std::vector<TokenizerConfig::ListedToken> tokens;
  const Json* value = config.Find("added_tokens_decoder");
  if (value == nullptr) return tokens;
  BITLOSS_TRY(const JsonFields table, JsonFields::Of(*value, "added_tokens_decoder"));
  for (const auto& [key, entry] : value->items()) {
    uint64_t id = 0;
    const auto parsed = std::from_chars(key.data(), key.data() + key.size(), id);
    if (parsed.ec != std::errc() || parsed.ptr != key.data() + key.size()) {
      return BadInput("{} is not named by an id", table.PathOf(key));
    }
    BITLOSS_TRY(const JsonFields token, JsonFields::Of(entry, table.PathOf(key)));
    BITLOSS_TRY(std::string content, token.String("content"));
    tokens.push_back({id, std::move(content)});
  }
  return tokens;
}

Result<TokenizerConfig> ReadConfig(std::string_view text, const std::filesystem::path& folder) {
  BITLOSS_TRY(const Json json, ParseJson(text));
  BITLOSS_TRY(const JsonFields fields, JsonFields::Of(json, ""));
  TokenizerConfig config;
  BITLOSS_TRY(config.bos_token, ReadToken(fields, "bos_token"));
  BITLOSS_TRY(config.eos_token, ReadToken(fields, "eos_token"));
  BITLOSS_TRY(config.named_tokens, ReadNamedTokens(fields));
  BITLOSS_TRY(config.add_bos_token, fields.Bool("add_bos_token", false));
  BITLOSS_TRY(config.add_eos_token, fields.Bool("add_eos_token", false));
  BITLOSS_TRY(config.chat_templates, FindChatTemplates(folder, &fields));
  BITLOSS_TRY(config.added_tokens, ReadListedTokens(fields));
  return config;
}

}  // namespace

Result<TokenizerConfig> ReadTokenizerConfig(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "tokenizer_config.json";
  std::error_code unreadable;  // then ReadFile says why
  if (!std::filesystem::exists(path, unreadable) && !unreadable) {
    TokenizerConfig config;
    BITLOSS_TRY(config.chat_templates, FindChatTemplates(folder, nullptr));
    return config;
  }
  BITLOSS_TRY(const std::string text, ReadFile(path, kMaxConfigBytes));
  auto read = ReadConfig(text, folder);
  return read.ok() ? read : Within(path.string(), read.error());
}

}  // namespace bitloss

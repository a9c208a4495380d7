#include "bitloss/tokenizer/tokenizer_config.h"

#include <charconv>

#include "bitloss/base/file.h"
#include "bitloss/tokenizer/json_document.h"
#include "bitloss/tokenizer/json_fields.h"

namespace bitloss {
namespace {

using Json = nlohmann::json;
constexpr size_t kMaxFileBytes = size_t{64} << 20;

// "<s>", {"content": "<s>", ...} or nothing.
Result<std::optional<std::string>> ReadToken(const JsonFields& config, std::string_view key) {
  const Json* value = config.Find(key);
  if (value == nullptr) return std::optional<std::string>();
  if (value->is_string()) return std::optional(value->get<std::string>());
  BITLOSS_TRY(const JsonFields token, JsonFields::Of(*value, config.PathOf(key)));
  BITLOSS_TRY(std::string content, token.String("content"));
  return std::optional(std::move(content));
}

// A Jinja source, or a list of named ones.
Result<std::string> ReadChatTemplate(const JsonFields& config) {
  const Json* value = config.Find("chat_template");
  if (value == nullptr || !value->is_array()) return config.String("chat_template", "");
  for (size_t i = 0; i < value->size(); ++i) {
    BITLOSS_TRY(const JsonFields entry,
                JsonFields::Of((*value)[i], fmt::format("chat_template[{}]", i)));
    BITLOSS_TRY(const std::string name, entry.String("name"));
    if (name == "default") return entry.String("template");
  }
  return std::string();
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

Result<TokenizerConfig> ReadConfig(std::string_view text) {
  BITLOSS_TRY(const Json json, ReadJson(text));
  BITLOSS_TRY(const JsonFields fields, JsonFields::Of(json, ""));
  TokenizerConfig config;
  BITLOSS_TRY(config.bos_token, ReadToken(fields, "bos_token"));
  BITLOSS_TRY(config.eos_token, ReadToken(fields, "eos_token"));
  BITLOSS_TRY(config.add_bos_token, fields.Bool("add_bos_token", false));
  BITLOSS_TRY(config.add_eos_token, fields.Bool("add_eos_token", false));
  BITLOSS_TRY(config.chat_template, ReadChatTemplate(fields));
  BITLOSS_TRY(config.added_tokens, ReadListedTokens(fields));
  return config;
}

}  // namespace

Result<TokenizerConfig> ReadTokenizerConfig(const std::filesystem::path& folder) {
  TokenizerConfig config;
  const std::filesystem::path path = folder / "tokenizer_config.json";
  std::error_code unreadable;  // then ReadFile says why
  if (std::filesystem::exists(path, unreadable) || unreadable) {
    BITLOSS_TRY(const std::string text, ReadFile(path, kMaxFileBytes));
    auto read = ReadConfig(text);
    if (!read.ok()) return Within(path.string(), read.error());
    config = std::move(read).value();
  }
  const std::filesystem::path jinja = folder / "chat_template.jinja";
  if (std::filesystem::exists(jinja, unreadable) || unreadable) {
    BITLOSS_TRY(config.chat_template, ReadFile(jinja, kMaxFileBytes));
  }
  return config;
}

}  // namespace bitloss

#include "bitloss/study/chat_choice.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "bitloss/base/file.h"
#include "bitloss/templates/json_value.h"
#include "bitloss/templates/meter.h"

namespace bitloss {
namespace {

using templates::Value;

ChatVariables TokensOf(const Tokenizer& tokenizer) {
  ChatVariables tokens;
  for (const NamedToken& token : tokenizer.named_tokens()) {
    tokens.emplace_back(token.name, Value::String(token.content));
  }
  return tokens;
}

const ChatTemplateSource* Find(const Tokenizer& tokenizer, std::string_view name) {
  const auto& sources = tokenizer.chat_templates();
  const auto found = std::find_if(sources.begin(), sources.end(),
                                  [&](const auto& source) { return source.name == name; });
  return found == sources.end() ? nullptr : &*found;
}

std::string NamesOf(const Tokenizer& tokenizer) {
  std::vector<std::string_view> names;
  for (const ChatTemplateSource& source : tokenizer.chat_templates()) names.push_back(source.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

Result<ChatTemplate> FromFile(const Tokenizer& tokenizer, const std::string& path) {
  std::error_code unreadable;
  if (!std::filesystem::exists(path, unreadable)) {
    const std::string own = NamesOf(tokenizer);
    return NotFound("no chat template '{}': there is no such file; by name there are chatml{}{}",
                    path, own.empty() ? "" : ", ", own);
  }
  BITLOSS_TRY(const std::string jinja, ReadFile(path, templates::kMaxSourceBytes));
  return ChatTemplate::Parse(jinja, path, TokensOf(tokenizer));
}

}  // namespace

Result<std::optional<ChatTemplate>> ChooseChatTemplate(const Tokenizer& tokenizer,
                                                       const std::string& override_name) {
  const std::string name = override_name.empty() ? "default" : override_name;
  if (const ChatTemplateSource* source = Find(tokenizer, name)) {
    BITLOSS_TRY(ChatTemplate chat,
                ChatTemplate::Parse(source->jinja, source->origin, TokensOf(tokenizer)));
    return std::optional(std::move(chat));
  }
  if (override_name == "chatml") return std::optional(ChatTemplate::ChatMl());
  if (!override_name.empty()) {
    BITLOSS_TRY(ChatTemplate chat, FromFile(tokenizer, override_name));
    return std::optional(std::move(chat));
  }
  if (!tokenizer.chat_templates().empty()) {
    return BadInput(
        "the model has several chat templates and no default one: choose with "
        "--chat-template from {}",
        NamesOf(tokenizer));
  }
  return std::optional<ChatTemplate>();
}

Result<ChatTemplate> RequireChatTemplate(const Tokenizer& tokenizer,
                                         const std::string& override_name) {
  BITLOSS_TRY(std::optional<ChatTemplate> chat, ChooseChatTemplate(tokenizer, override_name));
  if (chat) return *std::move(chat);
  return BadInput("the model has no chat template: give one with --chat-template FILE, or chatml");
}

Result<ChatVariables> ParseChatVariables(std::span<const std::string> settings) {
  ChatVariables variables;
  for (const std::string& setting : settings) {
    const size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0) {
      return BadInput("--set {}: expected NAME=JSON, as in enable_thinking=false", setting);
    }
    auto value = templates::ParseJsonValue(std::string_view(setting).substr(equals + 1));
    if (!value.ok()) {
      return BadInput("--set {}: {}; a text is written with its quotes: NAME='\"text\"'", setting,
                      value.error().message);
    }
    variables.emplace_back(setting.substr(0, equals), std::move(value).value());
  }
  return variables;
}

}  // namespace bitloss

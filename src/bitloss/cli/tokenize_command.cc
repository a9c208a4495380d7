#include <iostream>
#include <nlohmann/json.hpp>

#include "bitloss/cli/chat_options.h"
#include "bitloss/cli/commands.h"
#include "bitloss/cli/fetch.h"
#include "bitloss/study/chat_choice.h"
#include "bitloss/study/model_files.h"
#include "bitloss/templates/json_value.h"

namespace bitloss {
namespace {

struct TokenizeOptions {
  std::string model;
  bool json = false;
  bool chat = false;
  std::string chat_template;
  std::vector<std::string> variables;
};

void PrintIds(std::span<const TokenId> ids) { fmt::print("[{}]\n", fmt::join(ids, ",")); }

// The template prints what the model was trained to see around a conversation, BOS included.
Result<std::vector<TokenId>> EncodeConversation(const Tokenizer& tokenizer,
                                                const ChatTemplate& chat, std::string_view line) {
  BITLOSS_TRY(const templates::Value conversation, templates::ParseJsonValue(line));
  BITLOSS_TRY(const std::string text,
              chat.Render(conversation, ChatTemplate::GenerationPrompt::kAdd));
  return tokenizer.Encode(text, Tokenizer::Special::kParse, Tokenizer::AddTokens::kNone);
}

Result<std::vector<TokenId>> EncodeJsonString(const Tokenizer& tokenizer, std::string_view line) {
  const nlohmann::json input = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (input.is_discarded()) return BadInput("not valid JSON");
  if (!input.is_string()) return BadInput("expected a JSON string");
  return tokenizer.Encode(input.get_ref<const std::string&>(), Tokenizer::Special::kParse,
                          Tokenizer::AddTokens::kModel);
}

Result<int> TokenizeLines(const Tokenizer& tokenizer, const TokenizeOptions& options) {
  std::optional<ChatTemplate> chat;
  if (options.chat) {
    BITLOSS_TRY(chat, RequireChatTemplate(tokenizer, options.chat_template));
    BITLOSS_TRY(const ChatVariables variables, ParseChatVariables(options.variables));
    chat = chat->With(variables);
  }
  std::string line;
  for (size_t number = 1; std::getline(std::cin, line); ++number) {
    const auto ids =
        chat ? EncodeConversation(tokenizer, *chat, line) : EncodeJsonString(tokenizer, line);
    if (!ids.ok()) return Within(fmt::format("standard input, line {}", number), ids.error());
    PrintIds(ids.value());
  }
  return 0;
}

Result<int> Tokenize(const TokenizeOptions& options) {
  BITLOSS_DO(FetchModel(options.model, ModelNeed::kTokenizer));
  BITLOSS_TRY(const Tokenizer tokenizer, OpenTokenizer(options.model));
  if (options.json || options.chat) return TokenizeLines(tokenizer, options);
  const std::string text(std::istreambuf_iterator<char>(std::cin), {});
  const auto ids = tokenizer.Encode(text, Tokenizer::Special::kParse, Tokenizer::AddTokens::kModel);
  if (!ids.ok()) return Within("standard input", ids.error());
  PrintIds(ids.value());
  return 0;
}

}  // namespace

void AddTokenizeCommand(CLI::App& app, Action& action) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command =
      app.add_subcommand("tokenize", "Token ids of standard input, as a JSON array");
  command->add_option("MODEL", options->model, "A model, or a folder with only a tokenizer")
      ->required();
  command->add_flag("--json", options->json, "Each input line is a JSON string; one array a line");
  command->add_flag("--chat", options->chat,
                    "Each input line is a conversation as 'bitloss render' reads it: a JSON array "
                    "of {role, content}, or an object; the chat template is applied");
  AddChatOptions(*command, options->chat_template, options->variables);
  command->callback([options, &action] { action = [options] { return Tokenize(*options); }; });
}

}  // namespace bitloss

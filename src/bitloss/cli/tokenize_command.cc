#include <iostream>
#include <nlohmann/json.hpp>

#include "bitloss/cli/commands.h"
#include "bitloss/study/model_files.h"
#include "bitloss/tokenizer/chat_template.h"

namespace bitloss {
namespace {

struct Options {
  std::string model;
  bool json = false;
  bool chat = false;
};

Result<std::vector<TokenId>> EncodeConversation(const Tokenizer& tokenizer,
                                                const ChatTemplate& chat,
                                                const nlohmann::json& conversation) {
  std::vector<ChatMessage> messages;
  if (!conversation.is_array()) return BadInput("expected a JSON array of messages");
  for (const nlohmann::json& message : conversation) {
    if (!message.is_object() || !message.contains("role") || !message.contains("content") ||
        !message["role"].is_string() || !message["content"].is_string()) {
      return BadInput("expected messages like {{\"role\": \"user\", \"content\": \"...\"}}");
    }
    messages.push_back({message["role"], message["content"]});
  }
  BITLOSS_TRY(const std::string text, chat.Render(messages, ChatTemplate::GenerationPrompt::kAdd));
  return tokenizer.Encode(text, Tokenizer::Special::kParse, Tokenizer::AddTokens::kNone);
}

void PrintIds(std::span<const TokenId> ids) { fmt::print("[{}]\n", fmt::join(ids, ",")); }

Result<int> TokenizeLines(const Tokenizer& tokenizer, const Options& options) {
  std::optional<ChatTemplate> chat;
  if (options.chat) {
    BITLOSS_TRY(chat, ChatTemplate::Recognize(tokenizer.chat_template()));
  }
  std::string line;
  for (size_t number = 1; std::getline(std::cin, line); ++number) {
    const nlohmann::json input = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    const auto encode = [&]() -> Result<std::vector<TokenId>> {
      if (input.is_discarded()) return BadInput("not valid JSON");
      if (chat) return EncodeConversation(tokenizer, *chat, input);
      if (!input.is_string()) return BadInput("expected a JSON string");
      return tokenizer.Encode(input.get_ref<const std::string&>(), Tokenizer::Special::kParse,
                              Tokenizer::AddTokens::kModel);
    };
    const auto ids = encode();
    if (!ids.ok()) return Within(fmt::format("standard input, line {}", number), ids.error());
    PrintIds(ids.value());
  }
  return 0;
}

Result<int> Tokenize(const Options& options) {
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
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("tokenize", "Token ids of standard input, as a JSON array");
  command->add_option("MODEL", options->model, "A model, or a folder with only a tokenizer")
      ->required();
  command->add_flag("--json", options->json, "Each input line is a JSON string; one array a line");
  command->add_flag(
      "--chat", options->chat,
      "Each input line is a JSON array of {role, content}; the chat template is applied");
  command->callback([options, &action] { action = [options] { return Tokenize(*options); }; });
}

}  // namespace bitloss

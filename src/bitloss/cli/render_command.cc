#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "bitloss/base/file.h"
#include "bitloss/cli/chat_options.h"
#include "bitloss/cli/commands.h"
#include "bitloss/cli/fetch.h"
#include "bitloss/study/chat_choice.h"
#include "bitloss/study/model_files.h"
#include "bitloss/templates/json_value.h"
#include "bitloss/templates/meter.h"

namespace bitloss {
namespace {

constexpr size_t kMaxMessageBytes = size_t{64} << 20;

struct RenderOptions {
  std::string source;
  std::filesystem::path messages;
  std::string chat_template;
  std::vector<std::string> variables;
  std::string now;
  bool no_generation_prompt = false;
  bool json = false;
};

// Of a bare template, whose special tokens come from --set, or of a model.
Result<ChatTemplate> OpenTemplate(const RenderOptions& options) {
  const std::filesystem::path path = options.source;
  std::error_code unreadable;
  const bool is_template =
      path.extension() == ".jinja" ||
      (std::filesystem::is_regular_file(path, unreadable) && path.extension() != ".gguf");
  if (!is_template) {
    BITLOSS_DO(FetchModel(options.source, ModelNeed::kTokenizer));
    BITLOSS_TRY(const Tokenizer tokenizer, OpenTokenizer(options.source));
    return RequireChatTemplate(tokenizer, options.chat_template);
  }
  if (!options.chat_template.empty()) {
    return BadInput("--chat-template chooses a template of a model; '{}' is one already",
                    options.source);
  }
  BITLOSS_TRY(const std::string jinja, ReadFile(path, templates::kMaxSourceBytes));
  return ChatTemplate::Parse(jinja, options.source, {});
}

Result<templates::Value> ReadConversation(const std::filesystem::path& path) {
  BITLOSS_TRY(const std::string text, ReadFile(path, kMaxMessageBytes));
  auto value = templates::ParseJsonValue(text);
  return value.ok() ? value : Within(path.string(), value.error());
}

Result<int> Render(const RenderOptions& options) {
  BITLOSS_TRY(ChatTemplate chat, OpenTemplate(options));
  BITLOSS_TRY(const ChatVariables variables, ParseChatVariables(options.variables));
  chat = chat.With(variables);
  if (!options.now.empty()) {
    BITLOSS_TRY(const templates::LocalTime now, templates::ParseLocalTime(options.now));
    chat = chat.At(now);
  }
  BITLOSS_TRY(const templates::Value conversation, ReadConversation(options.messages));
  BITLOSS_TRY(const std::string text,
              chat.Render(conversation, options.no_generation_prompt
                                            ? ChatTemplate::GenerationPrompt::kNone
                                            : ChatTemplate::GenerationPrompt::kAdd));
  const std::string out = options.json ? nlohmann::json(text).dump() + "\n" : text;
  std::fwrite(out.data(), 1, out.size(), stdout);  // main asks whether all was written
  return 0;
}

}  // namespace

void AddRenderCommand(CLI::App& app, Action& action) {
  auto options = std::make_shared<RenderOptions>();
  CLI::App* command =
      app.add_subcommand("render", "A conversation as the chat template writes it, byte for byte");
  command
      ->add_option("MODEL|TEMPLATE.jinja", options->source,
                   "A model, a folder with only a tokenizer, or a file with a Jinja template")
      ->required();
  command
      ->add_option("--messages", options->messages,
                   "JSON file: an array of messages, or an object with messages, tools and "
                   "whatever else the template is to be given")
      ->required();
  command->add_flag("--no-generation-prompt", options->no_generation_prompt,
                    "Without what opens the model's answer");
  AddChatOptions(*command, options->chat_template, options->variables);
  command->add_option("--now", options->now,
                      "The time that strftime_now sees, as in 2026-03-05T14:07:09; without it, "
                      "always " +
                          templates::LocalTime().Text());
  command->add_flag("--json", options->json, "A JSON string instead of the bytes");
  command->callback([options, &action] { action = [options] { return Render(*options); }; });
}

}  // namespace bitloss

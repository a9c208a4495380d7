#include "bitloss/study/prompts.h"

#include <algorithm>

#include "bitloss/data/embedded.h"

namespace bitloss {
namespace {

// A model that has no chat template reads prompts as they are.
Result<std::optional<ChatTemplate>> TemplateOf(const ModelFiles& model, const Suite& suite,
                                               const StudyOptions& options) {
  const bool plain = model.tokenizer.chat_template().empty() && options.chat_template.empty();
  if (suite.prompt_template == PromptTemplate::kRaw || plain) return std::optional<ChatTemplate>();
  BITLOSS_TRY(ChatTemplate chat, ChooseChatTemplate(model.tokenizer, options.chat_template));
  if (suite.system == "none") chat = ChatTemplate::ChatMl();
  return std::optional<ChatTemplate>(std::move(chat));
}

Result<std::vector<TokenId>> EncodePrompt(const Tokenizer& tokenizer, const Suite& suite,
                                          const std::optional<ChatTemplate>& chat,
                                          const SuitePrompt& prompt) {
  if (!chat) {
    return tokenizer.Encode(prompt.prompt, Tokenizer::Special::kParse,
                            Tokenizer::AddTokens::kModel);
  }
  std::vector<ChatMessage> messages;
  if (suite.system != "default" && suite.system != "none") {
    messages.push_back({"system", suite.system});
  }
  messages.push_back({"user", prompt.prompt});
  BITLOSS_TRY(const std::string text, chat->Render(messages, ChatTemplate::GenerationPrompt::kAdd));
  return tokenizer.Encode(text, Tokenizer::Special::kParse, Tokenizer::AddTokens::kNone);
}

Result<StudySuite> Render(const ModelFiles& model, Suite suite, const StudyOptions& options) {
  BITLOSS_TRY(const std::optional<ChatTemplate> chat, TemplateOf(model, suite, options));
  StudySuite rendered;
  const size_t max_positions = model.source.config().max_positions;
  for (const SuitePrompt& prompt : suite.prompts) {
    auto tokens = EncodePrompt(model.tokenizer, suite, chat, prompt);
    const std::string where = fmt::format("suite '{}', prompt '{}'", suite.id, prompt.id);
    if (!tokens.ok()) return Within(where, tokens.error());
    if (tokens.value().empty()) return BadInput("{}: has no tokens", where);
    if (tokens.value().size() >= max_positions) {
      return BadInput("{}: has {} tokens, but the model has only {} positions; shorten it", where,
                      tokens.value().size(), max_positions);
    }
    rendered.prompts.push_back(
        {.tokens = std::move(tokens).value(),
         .max_new_tokens = options.max_new_tokens.value_or(prompt.max_new_tokens),
         .id = prompt.id});
  }
  rendered.suite = std::move(suite);
  return rendered;
}

}  // namespace

Result<std::vector<StudySuite>> LoadSuites(const ModelFiles& model, const StudyOptions& options) {
  if (options.suite == "none") return std::vector<StudySuite>();
  std::string name = options.suite;
  if (name.empty()) name = options.model.empty() ? "tiny96" : "core96";
  BITLOSS_TRY(Suite suite, OpenSuite(name));
  std::vector<StudySuite> suites;
  BITLOSS_TRY(StudySuite rendered, Render(model, std::move(suite), options));
  suites.push_back(std::move(rendered));
  return suites;
}

}  // namespace bitloss

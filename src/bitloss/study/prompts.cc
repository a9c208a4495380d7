#include "bitloss/study/prompts.h"

#include <algorithm>

#include "bitloss/base/file.h"
#include "bitloss/base/hash.h"
#include "bitloss/data/embedded.h"
#include "bitloss/study/chat_choice.h"

namespace bitloss {
namespace {

// A template that can let the model think is asked not to, unless the user says otherwise: suites
// count tokens, and a check looks at the answer.
constexpr std::string_view kThinkingSwitch = "enable_thinking";

// The variables that the suite's prompts are rendered with, which `suite` records.
Result<ChatVariables> VariablesOf(const ChatTemplate& chat, const StudyOptions& options,
                                  StudySuite& suite) {
  suite.chat_variables = options.chat_variables;
  const std::string prefix = std::string(kThinkingSwitch) + "=";
  const bool is_set = std::ranges::any_of(
      options.chat_variables, [&](const std::string& s) { return s.starts_with(prefix); });
  if (!is_set && chat.Mentions(kThinkingSwitch)) suite.chat_variables.push_back(prefix + "false");
  return ParseChatVariables(suite.chat_variables);
}

bool AsksToThink(const ChatVariables& variables) {
  return std::ranges::any_of(variables, [](const auto& variable) {
    const bool is_switch = variable.first == kThinkingSwitch || variable.first == "thinking";
    return is_switch && templates::Truth(variable.second);
  });
}

// A model that has no chat template reads prompts as they are.
Result<std::optional<ChatTemplate>> TemplateOf(const ModelFiles& model, const StudyOptions& options,
                                               StudySuite& suite) {
  if (suite.suite.prompt_template == PromptTemplate::kRaw) return std::optional<ChatTemplate>();
  BITLOSS_TRY(std::optional<ChatTemplate> chat,
              ChooseChatTemplate(model.tokenizer, options.chat_template));
  suite.is_plain = !chat.has_value();
  if (!chat) return chat;
  if (!options.chat_template.empty() && chat->name() == options.chat_template) {
    BITLOSS_TRY(const std::string jinja, ReadFile(options.chat_template));
    suite.chat_template_sha256 = Sha256Hex(jinja);
  }
  // Templates of the ChatML family add a system message of their own; plain ChatML does not.
  if (suite.suite.system == "none" && chat->Mentions("<|im_start|>")) chat = ChatTemplate::ChatMl();
  return chat;
}

std::vector<ChatMessage> Conversation(const Suite& suite, const SuitePrompt& prompt) {
  std::vector<ChatMessage> messages;
  if (suite.system != "default" && suite.system != "none") {
    messages.push_back({"system", suite.system});
  }
  messages.push_back({"user", prompt.prompt});
  return messages;
}

// The prompt's text, and how it is encoded: a template prints its own BOS.
struct RenderedPrompt {
  std::string text;
  Tokenizer::AddTokens add_tokens;
};

Result<RenderedPrompt> RenderPrompt(const Suite& suite, const std::optional<ChatTemplate>& chat,
                                    const SuitePrompt& prompt) {
  if (!chat) return RenderedPrompt{prompt.prompt, Tokenizer::AddTokens::kModel};
  BITLOSS_TRY(std::string text,
              chat->Render(Conversation(suite, prompt), ChatTemplate::GenerationPrompt::kAdd));
  return RenderedPrompt{std::move(text), Tokenizer::AddTokens::kNone};
}

Thinking ThinkingIn(std::string_view prompt, const ChatTemplate& chat) {
  if (!AsksToThink(chat.variables())) return Thinking::kNone;
  const size_t end = prompt.find_last_not_of(" \t\r\n") + 1;
  return prompt.substr(0, end).ends_with("<think>") ? Thinking::kOpened : Thinking::kMarked;
}

Status AddPrompt(const ModelFiles& model, const std::optional<ChatTemplate>& chat,
                 const SuitePrompt& prompt, const StudyOptions& options, StudySuite& rendered) {
  BITLOSS_TRY(const RenderedPrompt text, RenderPrompt(rendered.suite, chat, prompt));
  BITLOSS_TRY(std::vector<TokenId> tokens,
              model.tokenizer.Encode(text.text, Tokenizer::Special::kParse, text.add_tokens));
  const size_t max_positions = model.source.config().max_positions;
  if (tokens.empty()) return BadInput("has no tokens");
  if (tokens.size() >= max_positions) {
    return BadInput("has {} tokens, but the model has only {} positions; shorten it", tokens.size(),
                    max_positions);
  }
  rendered.thinking.push_back(chat ? ThinkingIn(text.text, *chat) : Thinking::kNone);
  rendered.prompts.push_back(
      {.tokens = std::move(tokens),
       .max_new_tokens = options.max_new_tokens.value_or(prompt.max_new_tokens),
       .id = prompt.id});
  return Ok();
}

// Evenly spread, so that every category keeps its share.
void KeepPrompts(size_t max_prompts, Suite& suite) {
  const size_t count = suite.prompts.size();
  if (max_prompts >= count) return;
  std::vector<SuitePrompt> kept;
  for (size_t i = 0; i < max_prompts; ++i) {
    kept.push_back(std::move(suite.prompts[i * count / max_prompts]));
  }
  suite.prompts = std::move(kept);
}

Result<StudySuite> Render(const ModelFiles& model, Suite suite, const StudyOptions& options) {
  StudySuite rendered;
  rendered.suite = std::move(suite);
  BITLOSS_TRY(std::optional<ChatTemplate> chat, TemplateOf(model, options, rendered));
  if (chat) {
    BITLOSS_TRY(const ChatVariables variables, VariablesOf(*chat, options, rendered));
    chat = chat->With(variables);
  }
  for (const SuitePrompt& prompt : rendered.suite.prompts) {
    const Status added = AddPrompt(model, chat, prompt, options, rendered);
    if (!added.ok()) {
      return Within(fmt::format("suite '{}', prompt '{}'", rendered.suite.id, prompt.id),
                    added.error());
    }
  }
  return rendered;
}

}  // namespace

Result<std::vector<StudySuite>> LoadSuites(const ModelFiles& model, const StudyOptions& options) {
  if (options.suite == "none") return std::vector<StudySuite>();
  std::string name = options.suite;
  if (name.empty()) name = options.model.empty() ? "tiny96" : "core96";
  BITLOSS_TRY(Suite suite, OpenSuite(name));
  if (options.max_prompts) KeepPrompts(*options.max_prompts, suite);
  std::vector<StudySuite> suites;
  BITLOSS_TRY(StudySuite rendered, Render(model, std::move(suite), options));
  suites.push_back(std::move(rendered));
  return suites;
}

}  // namespace bitloss

#include "bitloss/tokenizer/chat_template.h"

#include <array>

#include "bitloss/base/check.h"
#include "bitloss/tokenizer/jinja_parts.h"

namespace bitloss {
namespace {

// Stands for the default system message in the known programs below.
constexpr std::string_view kDefaultHere = "\x01";

// ChatML as published with OpenAI's format: no system message of its own.
constexpr std::string_view kPlain = R"(
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %})";

// The same for callers that may leave add_generation_prompt out.
constexpr std::string_view kPlainWithPromptOptional = R"(
{%- if not add_generation_prompt is defined %}
    {%- set add_generation_prompt = false %}
{%- endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %})";

// Qwen2, SmolLM2.
constexpr std::string_view kDefaultInLoop = R"(
{%- for message in messages %}
    {%- if loop.first and messages[0].role != 'system' %}
        {{- '<|im_start|>system\n)"
                                            "\x01"
                                            R"(<|im_end|>\n' }}
    {%- endif %}
    {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %})";

// bitloss-tiny: Qwen2.5 without tools.
constexpr std::string_view kDefaultFirst = R"(
{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- else %}
    {{- '<|im_start|>system\n)"
                                           "\x01"
                                           R"(<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant") %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %})";

// Qwen2.5. The branches for tools are part of what is recognised, and never taken: a message here
// has neither tools nor tool calls.
constexpr std::string_view kQwen25 = R"(
{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content }}
    {%- else %}
        {{- ')"
                                     "\x01"
                                     R"(' }}
    {%- endif %}
    {{- "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function signatures within <tools></tools> XML tags:\n<tools>" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools>\n\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n" }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>system\n)"
                                     "\x01"
                                     R"(<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\n' + message.content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\n<tool_call>\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n<tool_response>\n' }}
        {{- message.content }}
        {{- '\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %})";

constexpr std::array<std::string_view, 5> kKnown = {kPlain, kPlainWithPromptOptional,
                                                    kDefaultInLoop, kDefaultFirst, kQwen25};

// What kDefaultHere in `known` stands for in `text`; none if the two differ otherwise.
std::optional<std::string> DefaultIn(std::string_view text, std::string_view known) {
  const size_t hole = known.find(kDefaultHere);
  const std::string_view before = known.substr(0, hole);
  const std::string_view after = known.substr(hole + 1);
  if (text.size() < before.size() + after.size()) return std::nullopt;
  if (!text.starts_with(before) || !text.ends_with(after)) return std::nullopt;
  return std::string(text.substr(before.size(), text.size() - before.size() - after.size()));
}

struct Match {
  std::optional<std::string> default_system;
};

// None if the programs differ in more than the default system message.
std::optional<Match> Compare(const std::vector<JinjaPart>& parts,
                             const std::vector<JinjaPart>& known) {
  if (parts.size() != known.size()) return std::nullopt;
  Match match;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] == known[i]) continue;
    const bool has_default = parts[i].kind == JinjaPart::Kind::kText &&
                             known[i].kind == JinjaPart::Kind::kText &&
                             known[i].content.find(kDefaultHere) != std::string::npos;
    if (!has_default) return std::nullopt;
    auto message = DefaultIn(parts[i].content, known[i].content);
    if (!message) return std::nullopt;
    // With tools or without, the message is the same one.
    if (match.default_system && match.default_system != message) return std::nullopt;
    match.default_system = std::move(message);
  }
  return match;
}

void AppendMessage(std::string_view role, std::string_view content, std::string& text) {
  text += "<|im_start|>";
  text += role;
  text += '\n';
  text += content;
  text += "<|im_end|>\n";
}

}  // namespace

Result<ChatTemplate> ChatTemplate::Recognize(std::string_view jinja) {
  auto parts = CutJinja(jinja);
  if (parts.ok()) {
    for (const std::string_view source : kKnown) {
      const auto known = CutJinja(source);
      BITLOSS_CHECK(known.ok());
      if (auto match = Compare(parts.value(), known.value())) {
        return ChatTemplate(std::move(match->default_system));
      }
    }
  }
  const std::string why = parts.ok() ? std::string() : fmt::format(" ({})", parts.error().message);
  return Unsupported(
      "the model's chat template is not of the ChatML family that bitloss knows{}; "
      "--chat-template chatml uses plain ChatML instead",
      why);
}

Result<std::string> ChatTemplate::Render(std::span<const ChatMessage> messages,
                                         GenerationPrompt generation_prompt) const {
  if (messages.empty()) return BadInput("a conversation without messages");
  std::string text;
  if (default_system_ && messages.front().role != "system") {
    AppendMessage("system", *default_system_, text);
  }
  for (const ChatMessage& message : messages) {
    if (message.role != "system" && message.role != "user" && message.role != "assistant") {
      return Unsupported("a message of role '{}' (known: system, user, assistant)", message.role);
    }
    AppendMessage(message.role, message.content, text);
  }
  if (generation_prompt == GenerationPrompt::kAdd) text += "<|im_start|>assistant\n";
  return text;
}

}  // namespace bitloss

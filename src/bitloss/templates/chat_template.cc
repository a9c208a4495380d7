#include "bitloss/templates/chat_template.h"

#include <array>

namespace bitloss {
namespace {

using templates::Dict;
using templates::Kind;
using templates::Value;

// As published with OpenAI's format.
constexpr std::string_view kChatMl = R"(
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %})";

// Names under which the reasoning of a message comes; the first is what most templates read.
constexpr std::array<std::string_view, 3> kReasoning = {"reasoning_content", "thinking",
                                                        "reasoning"};

// As transformers 5 hands a message over: without keys that are null, the reasoning under the names
// that templates read.
Value Prepare(const Dict& message) {
  const Value* reasoning = nullptr;
  for (const std::string_view name : kReasoning) {
    const Value* value = message.Find(name);
    if (reasoning == nullptr && value != nullptr && !value->Is(Kind::kNone)) reasoning = value;
  }
  Dict prepared;
  if (reasoning != nullptr) prepared.Set("thinking", *reasoning);
  for (const auto& [key, value] : message.items()) {
    if (!value.Is(Kind::kNone)) prepared.Set(key, value);
  }
  if (reasoning != nullptr) prepared.Set("reasoning_content", *reasoning);
  return Value::Of(std::move(prepared));
}

Result<Value> PrepareAll(const Value& messages) {
  if (!messages.Is(Kind::kList)) return BadInput("a conversation is an array of messages");
  if (messages.Items().empty()) return BadInput("a conversation without messages");
  std::vector<Value> prepared;
  for (const Value& message : messages.Items()) {
    if (!message.Is(Kind::kDict)) {
      return BadInput("expected messages like {{\"role\": \"user\", \"content\": \"...\"}}");
    }
    prepared.push_back(Prepare(message.AsDict()));
  }
  return Value::List(std::move(prepared));
}

size_t TextBytes(const Value& value) {
  if (value.Is(Kind::kString)) return value.AsText().size();
  size_t bytes = 0;
  if (value.IsSequence()) {
    for (const Value& item : value.Items()) bytes += TextBytes(item);
  } else if (value.Is(Kind::kDict)) {
    for (const auto& [key, item] : value.AsDict().items()) bytes += TextBytes(item);
  }
  return bytes;
}

}  // namespace

Result<ChatTemplate> ChatTemplate::Parse(std::string_view source, std::string name,
                                         const ChatVariables& special_tokens) {
  BITLOSS_TRY(templates::Program program, templates::Program::Parse(source, std::move(name)));
  return ChatTemplate(std::move(program), special_tokens);
}

ChatTemplate ChatTemplate::ChatMl() {
  auto parsed = Parse(kChatMl, "chat template chatml", {});
  return std::move(parsed).value();  // ours; parses
}

ChatTemplate ChatTemplate::With(const ChatVariables& variables) const {
  ChatTemplate more = *this;
  more.variables_.insert(more.variables_.end(), variables.begin(), variables.end());
  return more;
}

ChatTemplate ChatTemplate::At(const templates::LocalTime& now) const {
  ChatTemplate at = *this;
  at.now_ = now;
  return at;
}

Result<std::string> ChatTemplate::Render(const Value& conversation, GenerationPrompt prompt) const {
  const bool is_object = conversation.Is(Kind::kDict);
  const Value* messages = is_object ? conversation.AsDict().Find("messages") : &conversation;
  if (messages == nullptr) return BadInput("a conversation without 'messages'");
  BITLOSS_TRY(const Value prepared, PrepareAll(*messages));
  Dict variables;
  for (const auto& [name, value] : variables_) variables.Set(name, value);
  variables.Set("tools", Value::None());
  variables.Set("documents", Value::None());
  variables.Set("add_generation_prompt", Value::Bool(prompt == GenerationPrompt::kAdd));
  if (is_object) {
    for (const auto& [key, value] : conversation.AsDict().items()) variables.Set(key, value);
  }
  variables.Set("messages", prepared);
  return program_.Render(variables, now_, TextBytes(conversation));
}

Result<std::string> ChatTemplate::Render(std::span<const ChatMessage> messages,
                                         GenerationPrompt prompt) const {
  std::vector<Value> list;
  for (const ChatMessage& message : messages) {
    Dict dict;
    dict.Set("role", Value::String(message.role));
    dict.Set("content", Value::String(message.content));
    list.push_back(Value::Of(std::move(dict)));
  }
  return Render(Value::List(std::move(list)), prompt);
}

}  // namespace bitloss

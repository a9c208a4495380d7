// A conversation as the one string that an instruct model was trained to see: what transformers'
// apply_chat_template(..., tokenize=False) returns.
//
// The string is to be encoded without adding special tokens: a template that wants BOS prints it.
#ifndef BITLOSS_TEMPLATES_CHAT_TEMPLATE_H_
#define BITLOSS_TEMPLATES_CHAT_TEMPLATE_H_

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bitloss/templates/program.h"

namespace bitloss {

struct ChatMessage {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

// Names and values of variables, in order; a later one of a name wins.
using ChatVariables = std::vector<std::pair<std::string, templates::Value>>;

class ChatTemplate {
 public:
  enum class GenerationPrompt { kNone, kAdd };

  // `name` is how messages call the source, `special_tokens` are what the template sees as
  // variables: {"bos_token", "<s>"}; a token that the tokenizer lacks is left out. kBadInput for
  // what is no template, with line and column.
  static Result<ChatTemplate> Parse(std::string_view source, std::string name,
                                    const ChatVariables& special_tokens);

  // Plain ChatML, without a default system message: what `--chat-template chatml` stands for.
  static ChatTemplate ChatMl();

  // The same template with further variables, which win over those that it has.
  ChatTemplate With(const ChatVariables& variables) const;
  // What strftime_now sees.
  ChatTemplate At(const templates::LocalTime& now) const;

  // `conversation`: an array of messages, or a mapping with `messages` and, if there are any,
  // `tools`, `documents` and further variables. kBadInput if it is none of these, has no message,
  // or the template refuses.
  Result<std::string> Render(const templates::Value& conversation, GenerationPrompt prompt) const;
  Result<std::string> Render(std::span<const ChatMessage> messages, GenerationPrompt prompt) const;

  const std::string& name() const { return program_.name(); }
  const ChatVariables& variables() const { return variables_; }

  // Whether `word` is anywhere in the source.
  bool Mentions(std::string_view word) const {
    return program_.source().find(word) != std::string::npos;
  }

 private:
  ChatTemplate(templates::Program program, ChatVariables variables)
      : program_(std::move(program)), variables_(std::move(variables)) {}

  templates::Program program_;
  ChatVariables variables_;
  templates::LocalTime now_;
};

}  // namespace bitloss

#endif  // BITLOSS_TEMPLATES_CHAT_TEMPLATE_H_

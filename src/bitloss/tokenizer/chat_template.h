// Chat templates of the ChatML family: a conversation as the one string that an instruct model was
// trained to see,
//
//   <|im_start|>ROLE\nCONTENT<|im_end|>\n    for each message,
//
// after a system message of the template's own if the first message is not a system message (Qwen2,
// Qwen2.5, SmolLM2 have one each; plain ChatML has none), and before "<|im_start|>assistant\n" if
// the model is to answer. Contents are not trimmed.
//
// Templates are Jinja programs; they are not run but recognised: compared with the known programs,
// spacing, quotes and the text of the default system message apart. Any other is refused.
#ifndef BITLOSS_TOKENIZER_CHAT_TEMPLATE_H_
#define BITLOSS_TOKENIZER_CHAT_TEMPLATE_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "bitloss/base/result.h"

namespace bitloss {

struct ChatMessage {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

class ChatTemplate {
 public:
  enum class GenerationPrompt { kNone, kAdd };

  // kUnsupported for a template outside the family; the message names `--chat-template chatml`.
  static Result<ChatTemplate> Recognize(std::string_view jinja);

  // Plain ChatML, without a default system message: what `--chat-template chatml` stands for.
  static ChatTemplate ChatMl() { return ChatTemplate(std::nullopt); }

  // What transformers' apply_chat_template(messages, tokenize=False, add_generation_prompt=...)
  // returns. kBadInput if there is no message, kUnsupported for a role other than the three.
  Result<std::string> Render(std::span<const ChatMessage> messages,
                             GenerationPrompt generation_prompt) const;

  const std::optional<std::string>& default_system_message() const { return default_system_; }

 private:
  explicit ChatTemplate(std::optional<std::string> default_system)
      : default_system_(std::move(default_system)) {}

  std::optional<std::string> default_system_;
};

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_CHAT_TEMPLATE_H_

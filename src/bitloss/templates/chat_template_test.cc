#include "bitloss/templates/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "bitloss/base/file.h"
#include "bitloss/json/parse.h"
#include "bitloss/templates/json_value.h"

namespace bitloss {
namespace {

using GenerationPrompt = ChatTemplate::GenerationPrompt;
using templates::Value;
using ::testing::HasSubstr;

// Made by tools/golden/chat_templates.py.
nlohmann::json Golden() {
  const auto text =
      ReadFile(BITLOSS_SOURCE_DIR "/src/bitloss/templates/testdata/chat_templates.json");
  EXPECT_TRUE(text.ok());
  return ParseJson(text.value()).value();
}

ChatTemplate Parsed(const std::string& jinja, const ChatVariables& tokens = {}) {
  auto chat = ChatTemplate::Parse(jinja, "template", tokens);
  EXPECT_TRUE(chat.ok()) << chat.error().message;
  return chat.value();
}

Value FromJson(const std::string& text) { return templates::ParseJsonValue(text).value(); }

TEST(ChatTemplate, RendersWhatTransformersRenders) {
  const nlohmann::json golden = Golden();
  EXPECT_EQ(golden["cases"].size(), 96u);
  for (const auto& item : golden["cases"]) {
    const ChatTemplate chat = Parsed(golden["templates"][item["template"]]);
    std::vector<ChatMessage> messages;
    for (const auto& message : item["messages"]) {
      messages.push_back({message["role"], message["content"]});
    }
    const auto text = chat.Render(
        messages, item["add_generation_prompt"] ? GenerationPrompt::kAdd : GenerationPrompt::kNone);
    ASSERT_TRUE(text.ok());
    EXPECT_EQ(text.value(), item["text"]) << item["template"] << ", " << item["title"];
  }
}

TEST(ChatTemplate, PlainChatMlHasNoSystemMessageOfItsOwn) {
  const std::vector<ChatMessage> messages = {{"user", "Hi"}};
  EXPECT_EQ(ChatTemplate::ChatMl().Render(messages, GenerationPrompt::kAdd).value(),
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
}

TEST(ChatTemplate, GivesToolsAndDocumentsAsNoneAndMissingTokensNotAtAll) {
  const ChatTemplate chat =
      Parsed("{{ tools is none }}{{ documents is none }}{{ bos_token }}{{ eos_token is defined }}",
             {{"bos_token", Value::String("<s>")}});
  EXPECT_EQ(chat.Render(FromJson(R"([{"role": "user"}])"), GenerationPrompt::kNone).value(),
            "TrueTrue<s>False");
}

TEST(ChatTemplate, HandsMessagesOverAsTransformersDoes) {
  const ChatTemplate chat = Parsed("{{ messages }}");
  EXPECT_EQ(chat.Render(FromJson(R"([{"role": "user", "content": null, "reasoning": "r"}])"),
                        GenerationPrompt::kNone)
                .value(),
            "[{'thinking': 'r', 'role': 'user', 'reasoning': 'r', 'reasoning_content': 'r'}]");
}

TEST(ChatTemplate, LaterVariablesWinAndThoseOfTheConversationMost) {
  const ChatTemplate chat = Parsed("{{ x }}", {{"x", Value::Int(1)}}).With({{"x", Value::Int(2)}});
  EXPECT_EQ(chat.Render(FromJson(R"([{}])"), GenerationPrompt::kNone).value(), "2");
  EXPECT_EQ(chat.Render(FromJson(R"({"messages": [{}], "x": 3})"), GenerationPrompt::kNone).value(),
            "3");
}

TEST(ChatTemplate, SeesAFixedTimeUnlessTold) {
  const ChatTemplate chat = Parsed("{{ strftime_now('%Y-%m-%d') }}");
  EXPECT_EQ(chat.Render(FromJson("[{}]"), GenerationPrompt::kNone).value(), "2026-01-15");
  EXPECT_EQ(
      chat.At({1999, 12, 31, 0, 0, 0}).Render(FromJson("[{}]"), GenerationPrompt::kNone).value(),
      "1999-12-31");
}

TEST(ChatTemplate, RefusesWhatIsNoConversation) {
  const ChatTemplate chat = ChatTemplate::ChatMl();
  for (const char* text : {"[]", "{}", "1", R"(["Hi"])", R"({"messages": "Hi"})"}) {
    EXPECT_FALSE(chat.Render(FromJson(text), GenerationPrompt::kAdd).ok()) << text;
  }
  const auto text = chat.Render(FromJson(R"([{"role": "user"}])"), GenerationPrompt::kAdd);
  ASSERT_FALSE(text.ok());
  EXPECT_THAT(text.error().message, HasSubstr("'dict object' has no attribute 'content'"));
}

}  // namespace
}  // namespace bitloss

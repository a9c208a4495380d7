#include "bitloss/tokenizer/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "bitloss/base/file.h"
#include "bitloss/tokenizer/jinja_parts.h"

namespace bitloss {
namespace {

using GenerationPrompt = ChatTemplate::GenerationPrompt;
using ::testing::HasSubstr;

// Made by tools/golden/chat_templates.py.
nlohmann::json Golden() {
  const auto text =
      ReadFile(BITLOSS_SOURCE_DIR "/src/bitloss/tokenizer/testdata/chat_templates.json");
  EXPECT_TRUE(text.ok());
  return nlohmann::json::parse(text.value());
}

ChatTemplate Recognized(const std::string& jinja) {
  auto chat = ChatTemplate::Recognize(jinja);
  EXPECT_TRUE(chat.ok()) << chat.error().message;
  return chat.value();
}

TEST(ChatTemplate, RendersWhatTransformersRenders) {
  const nlohmann::json golden = Golden();
  EXPECT_EQ(golden["cases"].size(), 96u);
  for (const auto& item : golden["cases"]) {
    const ChatTemplate chat = Recognized(golden["templates"][item["template"]]);
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

TEST(ChatTemplate, FindsTheDefaultSystemMessageWhateverItSays) {
  const nlohmann::json templates = Golden()["templates"];
  EXPECT_EQ(Recognized(templates["qwen2.5"]).default_system_message(),
            "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.");
  EXPECT_EQ(Recognized(templates["smollm2"]).default_system_message(),
            "You are a helpful AI assistant named SmolLM, trained by Hugging Face");
  EXPECT_EQ(Recognized(templates["chatml"]).default_system_message(), std::nullopt);
  EXPECT_EQ(ChatTemplate::ChatMl().default_system_message(), std::nullopt);
}

TEST(ChatTemplate, DoesNotMindQuotesSpacingAndComments) {
  const std::string source = Golden()["templates"]["chatml, other spelling"];
  EXPECT_EQ(Recognized(source).default_system_message(), std::nullopt);
}

TEST(ChatTemplate, RefusesAnyOtherTemplateAndNamesTheWayOut) {
  const std::string llama3 =
      "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = "
      "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | "
      "trim + '<|eot_id|>' %}{{ content }}{% endfor %}";
  for (const std::string& source :
       {llama3, std::string(), std::string("{{ 'unfinished"), std::string("{% for"),
        std::string("{# comment"), std::string("{{ '\\x41' }}"), std::string("plain text")}) {
    const auto chat = ChatTemplate::Recognize(source);
    ASSERT_FALSE(chat.ok()) << source;
    EXPECT_EQ(chat.error().kind, ErrorKind::kUnsupported);
    EXPECT_THAT(chat.error().message, HasSubstr("--chat-template chatml"));
  }
}

TEST(ChatTemplate, RefusesATemplateThatDiffersInOneWord) {
  std::string source = Golden()["templates"]["chatml"];
  const size_t at = source.find("message['content']");
  source.replace(at, 18, "message['content'] | trim");
  EXPECT_FALSE(ChatTemplate::Recognize(source).ok());
}

TEST(ChatTemplate, RefusesEmptyConversationsAndOtherRoles) {
  EXPECT_FALSE(ChatTemplate::ChatMl().Render({}, GenerationPrompt::kAdd).ok());
  const std::vector<ChatMessage> messages = {{"tool", "42"}};
  const auto text = ChatTemplate::ChatMl().Render(messages, GenerationPrompt::kAdd);
  ASSERT_FALSE(text.ok());
  EXPECT_THAT(text.error().message, HasSubstr("'tool'"));
}

TEST(JinjaParts, SpellsEqualProgramsAlike) {
  const auto cut = [](std::string_view source) { return CutJinja(source).value(); };
  EXPECT_EQ(cut("{{ a['b'] + 'x' }}y\n"), cut("{{a.b}}xy"));
  EXPECT_EQ(cut("{% if a %}\nx{% endif %}"), cut("{%if a%}x{%endif%}"));
  EXPECT_EQ(cut("  {% if a %}x{% endif %}"), cut("{% if a %}x{% endif %}"));
  EXPECT_EQ(cut("x \n {%- if a -%} \n y {% endif %}"), cut("x{% if a %}y {% endif %}"));
  EXPECT_NE(cut("{{ a }}\nx"), cut("{{ a }}x"));
  EXPECT_NE(cut("{{ a[0] }}"), cut("{{ a.b }}"));
}

}  // namespace
}  // namespace bitloss

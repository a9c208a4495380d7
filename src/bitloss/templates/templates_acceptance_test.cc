// Whole templates and snippets against what transformers renders from them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "bitloss/base/file.h"
#include "bitloss/json/parse.h"
#include "bitloss/templates/chat_template.h"
#include "bitloss/templates/json_value.h"

namespace bitloss {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

const std::string kFolder = BITLOSS_SHARED_DATA "/chat-templates/";

std::string Read(const std::string& name) {
  const auto text = ReadFile(kFolder + name);
  EXPECT_TRUE(text.ok());
  return text.value();
}

templates::Value ToValue(const OrderedJson& json) {
  auto value = templates::ParseJsonValue(json.dump());
  EXPECT_TRUE(value.ok()) << value.error().message;
  return value.value();
}

templates::LocalTime Noted(const OrderedJson& index) {
  const auto time = templates::ParseLocalTime(index["time"].get<std::string>());
  EXPECT_TRUE(time.ok());
  return time.value();
}

ChatVariables TokensOf(const OrderedJson& entry) {
  ChatVariables tokens;
  for (const char* name : {"bos_token", "eos_token"}) {
    if (entry[name].is_string()) tokens.emplace_back(name, ToValue(entry[name]));
  }
  return tokens;
}

Result<std::string> Render(const ChatTemplate& chat, const OrderedJson& input) {
  OrderedJson conversation = input["variables"];
  conversation["messages"] = input["messages"];
  if (!input["tools"].is_null()) conversation["tools"] = input["tools"];
  return chat.Render(ToValue(conversation), input["add_generation_prompt"]
                                                ? ChatTemplate::GenerationPrompt::kAdd
                                                : ChatTemplate::GenerationPrompt::kNone);
}

void ExpectGolden(const OrderedJson& golden, const Result<std::string>& text,
                  const std::string& what) {
  if (golden.is_string()) {
    ASSERT_TRUE(text.ok()) << what << ": " << text.error().message;
    EXPECT_EQ(text.value(), golden.get<std::string>()) << what;
    return;
  }
  ASSERT_FALSE(text.ok()) << what;
  const std::string line = golden["line"].is_null() ? "" : golden["line"].dump();
  if (golden["by"] == "template") {
    EXPECT_THAT(text.error().message, EndsWith(": " + golden["error"].get<std::string>())) << what;
    EXPECT_THAT(text.error().message, HasSubstr("template " + line + ":")) << what;
  }
}

TEST(ChatTemplateGoldens, AllTemplatesRenderByteForByte) {
  const OrderedJson index = ParseOrderedJson(Read("index.json")).value();
  size_t num_goldens = 0;
  for (const auto& [name, entry] : index["templates"].items()) {
    const auto parsed = ChatTemplate::Parse(Read(name + ".jinja"), "template", TokensOf(entry));
    ASSERT_TRUE(parsed.ok()) << name << ": " << parsed.error().message;
    const ChatTemplate chat = parsed.value().At(Noted(index));
    for (const auto& [input, golden] : entry["goldens"].items()) {
      ExpectGolden(golden, Render(chat, index["inputs"][input]), name + ", " + input);
      ++num_goldens;
    }
  }
  EXPECT_EQ(index["templates"].size(), 82u);
  EXPECT_EQ(num_goldens, 2544u);
}

// Snippets that are refused here, by name, and not in Jinja: no template of the corpus needs them.
bool IsRefusedByDesign(const std::string& source) {
  for (const char* part :
       {"| slice(", "truncate", "urlencode", "filesizeformat", "xmlattr", "pprint", "encode()",
        "fromkeys", "joiner(", "cycler(", "{% block", "autoescape"}) {
    if (source.find(part) != std::string::npos) return true;
  }
  return false;
}

TEST(ChatTemplateGoldens, AllSnippetsAnswerAsJinjaDoes) {
  const OrderedJson index = ParseOrderedJson(Read("index.json")).value();
  const OrderedJson file = ParseOrderedJson(Read("snippets.json")).value();
  const templates::Value variables = ToValue(file["variables"]);
  size_t num_refused = 0;
  for (const OrderedJson& snippet : file["snippets"]) {
    const std::string source = snippet[1];
    const auto program = templates::Program::Parse(source, "snippet");
    const auto text = program.ok() ? program.value().Render(variables.AsDict(), Noted(index))
                                   : Result<std::string>(program.error());
    if (IsRefusedByDesign(source)) {
      EXPECT_FALSE(text.ok()) << source;
      ++num_refused;
      continue;
    }
    if (snippet[2].is_string()) {
      EXPECT_TRUE(text.ok()) << source << ": " << text.error().message;
      EXPECT_EQ(text.ok() ? text.value() : "", snippet[2].get<std::string>()) << source;
      continue;
    }
    EXPECT_FALSE(text.ok()) << source;
    EXPECT_FALSE(snippet[2].contains("syntax") && program.ok()) << source;
  }
  EXPECT_EQ(file["snippets"].size(), 555u);
  EXPECT_EQ(num_refused, 12u);
}

}  // namespace
}  // namespace bitloss

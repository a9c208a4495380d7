// `bitloss render` against what transformers renders: every fifth conversation of every template.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "bitloss/cli/small_study.h"
#include "bitloss/json/parse.h"

namespace bitloss {
namespace {

using ::testing::HasSubstr;

const std::string kFolder = BITLOSS_SHARED_DATA "/chat-templates/";

Arguments RenderArguments(const std::string& name, const OrderedJson& entry,
                          const OrderedJson& index, const std::string& messages) {
  Arguments arguments = {"render",     kFolder + name + ".jinja", "--messages", messages, "--now",
                         index["time"]};
  for (const char* token : {"bos_token", "eos_token"}) {
    if (!entry[token].is_string()) continue;
    arguments.push_back("--set");
    arguments.push_back(std::string(token) + "=" + entry[token].dump());
  }
  return arguments;
}

TEST(Render, GivesTheBytesOfTransformers) {
  const OrderedJson index = ParseOrderedJson(TextOf(kFolder + "index.json")).value();
  const TestFolder folder;
  size_t number = 0;
  size_t num_rendered = 0;
  for (const auto& [name, entry] : index["templates"].items()) {
    for (const auto& [input, golden] : entry["goldens"].items()) {
      if (number++ % 5 != 0) continue;
      const OrderedJson& given = index["inputs"][input];
      OrderedJson conversation = given["variables"];
      conversation["messages"] = given["messages"];
      conversation["tools"] = given["tools"];
      Arguments arguments =
          RenderArguments(name, entry, index, folder.Write("chat.json", conversation.dump()));
      if (!given["add_generation_prompt"]) arguments.push_back("--no-generation-prompt");
      const Finished finished = RunBitloss(arguments);
      ++num_rendered;
      if (golden.is_string()) {
        EXPECT_EQ(finished.exit_code, 0) << name << ", " << input << ": " << finished.err;
        EXPECT_EQ(finished.out, golden.get<std::string>()) << name << ", " << input;
        continue;
      }
      EXPECT_EQ(finished.exit_code, 3) << name << ", " << input;
      if (golden["by"] != "template") continue;
      EXPECT_THAT(finished.err, HasSubstr(": " + golden["error"].get<std::string>() + "\n"));
    }
  }
  EXPECT_EQ(num_rendered, 509u);
}

}  // namespace
}  // namespace bitloss

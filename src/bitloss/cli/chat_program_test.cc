// Conversations as the program renders them: `render`, `tokenize --chat`, `run --suite`.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "bitloss/cli/small_study.h"
#include "bitloss/json/parse.h"

namespace bitloss {
namespace {

using nlohmann::json;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kTiny = BITLOSS_SOURCE_DIR "/models/bitloss-tiny";

class ChatProgram : public SmallStudyTest {
 protected:
  // The model that ships with bitloss, with another tokenizer_config.json.
  std::string Model(const std::string& name, const std::string& tokenizer_config) const {
    const std::string folder = folder_ / name;
    std::filesystem::create_directory(folder);
    for (const auto& entry : std::filesystem::directory_iterator(kTiny)) {
      if (!entry.is_regular_file()) continue;
      std::filesystem::copy_file(entry.path(), folder / entry.path().filename());
    }
    folder_.Write(name + "/tokenizer_config.json", tokenizer_config);
    return folder;
  }

  void ExpectRefused(const Arguments& arguments, int exit_code, const std::string& why) const {
    const Finished finished = RunBitloss(arguments);
    EXPECT_EQ(finished.exit_code, exit_code) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr(why));
    EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;
    EXPECT_EQ(finished.out, "");
  }

  const std::string hello_ = folder_.Write("hello.json", R"([{"role": "user", "content": "Hé"}])");
};

TEST_F(ChatProgram, RendersABareTemplate) {
  const std::string chat = folder_.Write(
      "chat.jinja",
      "{{ bos_token }}{% for m in messages %}\n[{{ m.role }}] {{ m.content }}\n{% endfor %}\n"
      "{{ tools | tojson }}{{ depth }}{{ strftime_now('%H:%M') }}"
      "{% if add_generation_prompt %}>{% endif %}.\n\n");
  const Arguments render = {"render", chat, "--messages", hello_, "--set", "bos_token=\"<s>\""};
  EXPECT_EQ(MustRun(render).out, "<s>[user] Hé\nnull12:00>.\n");
  EXPECT_EQ(
      MustRun(render + Arguments{"--no-generation-prompt", "--now", "2026-03-05T14:07:09"}).out,
      "<s>[user] Hé\nnull14:07.\n");
  EXPECT_EQ(ParseJson(MustRun(render + Arguments{"--json", "--set", "depth=[1, {\"a\": 2.0}]"}).out)
                .value(),
            "<s>[user] Hé\nnull[1, {'a': 2.0}]12:00>.\n");
  const std::string object = folder_.Write(
      "object.json",
      R"({"messages": [{"role": "user", "content": "Hé"}], "tools": [{"b": 1, "a": 1.0}], "depth": 3})");
  EXPECT_EQ(MustRun({"render", chat, "--messages", object, "--set", "depth=9"}).out,
            "[user] Hé\n[{\"b\": 1, \"a\": 1.0}]312:00>.\n");
}

TEST_F(ChatProgram, ShowsWhatATemplateRefusesWith) {
  const std::string strict =
      folder_.Write("strict.jinja", "\n {{ raise_exception('roles must alternate') }}");
  ExpectRefused({"render", strict, "--messages", hello_}, 3,
                "strict.jinja 2:20: roles must alternate\n");
  const std::string unknown = folder_.Write("unknown.jinja", "{{ messages | nosuch }}");
  ExpectRefused({"render", unknown, "--messages", hello_}, 3, "1:15: no filter named 'nosuch'");
  const std::string forever = folder_.Write(
      "forever.jinja",
      "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}");
  ExpectRefused({"render", forever, "--messages", hello_}, 3, "steps");
  const std::string doubling = folder_.Write("doubling.jinja",
                                             "{% set n = namespace(x='ab') %}{% for i in range(99) "
                                             "%}{% set n.x = n.x + n.x %}{% endfor %}");
  ExpectRefused({"render", doubling, "--messages", hello_}, 3, "MiB");
}

TEST_F(ChatProgram, RefusesWhatIsNoConversation) {
  const std::string broken = folder_.Write("broken.json", "[{");
  ExpectRefused({"render", kTiny, "--messages", broken}, 3, "not valid JSON");
  ExpectRefused({"render", kTiny, "--messages", folder_ / "none"}, 4, "none");
  ExpectRefused({"render", kTiny, "--messages", hello_, "--set", "x"}, 3, "NAME=JSON");
  ExpectRefused({"render", kTiny, "--messages", hello_, "--set", "x=abc"}, 3, "not valid JSON");
  ExpectRefused({"render", kTiny, "--messages", hello_, "--now", "today"}, 3, "'today'");
  ExpectRefused({"render", kTiny, "--messages", hello_, "--chat-template", "none"}, 4, "chatml");
}

TEST_F(ChatProgram, TakesTheModelsOwnTemplateOrTheOneThatIsNamed) {
  EXPECT_EQ(MustRun({"render", kTiny, "--messages", hello_}).out,
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
            "Hé<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(MustRun({"render", kTiny, "--messages", hello_, "--chat-template", "chatml"}).out,
            "<|im_start|>user\nHé<|im_end|>\n<|im_start|>assistant\n");
  const std::string named = Model("named", R"({"eos_token": "<|im_end|>", "chat_template": [
      {"name": "rag", "template": "rag {{ eos_token }}"}, {"name": "default", "template": "own"}]})");
  EXPECT_EQ(MustRun({"render", named, "--messages", hello_}).out, "own");
  EXPECT_EQ(MustRun({"render", named, "--messages", hello_, "--chat-template", "rag"}).out,
            "rag <|im_end|>");
  folder_.Write("named/chat_template.jinja", "file");
  EXPECT_EQ(MustRun({"render", named, "--messages", hello_}).out, "file");
  const std::string base = Model("base", "{}");
  ExpectRefused({"render", base, "--messages", hello_}, 3, "--chat-template");
  folder_.Write("base/chat_template.json", R"({"chat_template": "json"})");
  EXPECT_EQ(MustRun({"render", base, "--messages", hello_}).out, "json");
}

TEST_F(ChatProgram, RefusesSeveralTemplatesWithoutADefaultOne) {
  const std::string named =
      Model("named", R"({"chat_template": [{"name": "rag", "template": "r"}]})");
  ExpectRefused({"render", named, "--messages", hello_}, 3, "choose with --chat-template from rag");
}

TEST_F(ChatProgram, TokenizesAConversationWithOneBos) {
  const std::string model = Model("bos", R"({"bos_token": "<|im_start|>", "add_bos_token": true})");
  folder_.Write("bos/chat_template.jinja", "{{ bos_token }}{{ messages[0].content }}");
  const std::string line = folder_.Write("line", "[{\"role\": \"user\", \"content\": \"Hi\"}]\n");
  const auto tokenize = [&](const std::string& what, const std::string& input) {
    const std::string command = "exec \"$0\" tokenize " + what + " < " + input;
    return RunBitloss({"--"}, {.launcher = {"/bin/sh", "-c", command}}).out;
  };
  const std::string plain = folder_.Write("plain", "\"Hi\"\n");
  const json chat = ParseJson(tokenize(model + " --chat", line)).value();
  EXPECT_EQ(chat, ParseJson(tokenize(model + " --json", plain)).value());
  EXPECT_EQ(std::count(chat.begin(), chat.end(), chat[0]), 1);
}

// One prompt for each of which the baseline writes at most four tokens.
Arguments OneLine(const std::string& model, const std::string& out, const std::string& prompts) {
  return {"run",
          model,
          "--schemes",
          "int8",
          "--control",
          "none",
          "--max-samples",
          "2",
          "--suite",
          prompts,
          "--out",
          out,
          "--text",
          BITLOSS_SOURCE_DIR "/models/bitloss-tiny/eval.txt",
          "--max-new-tokens",
          "4"};
}

json OptionsOf(const std::string& study) {
  return ParseJson(TextOf(study + "/report.json")).value().at("options");
}

TEST_F(ChatProgram, ABaseModelReadsPromptsPlainlyAndTheReportSaysSo) {
  const std::string base = Model("base", "{}");
  MustRun(OneLine(base, folder_ / "study", prompts_));
  EXPECT_EQ(OptionsOf(folder_ / "study").at("prompts"), "plain");
  EXPECT_THAT(TextOf(folder_ / "study/report.html"), HasSubstr("The model has no chat template"));
}

TEST_F(ChatProgram, SuitesAskAModelThatCanThinkNotTo) {
  const std::string thinker = Model("thinker", "{}");
  folder_.Write("thinker/chat_template.jinja",
                "{{ messages[0].content }}{% if enable_thinking %}<think>{% endif %}");
  const Arguments run = OneLine(thinker, folder_ / "study", prompts_);
  MustRun(run);
  const json options = OptionsOf(folder_ / "study");
  EXPECT_EQ(options.at("chat_variables"), ParseJson(R"(["enable_thinking=false"])").value());
  EXPECT_FALSE(options.contains("prompts"));
  EXPECT_THAT(TextOf(folder_ / "study/report.html"), HasSubstr("enable_thinking=false"));
  MustRun(run);
  const Finished other = RunBitloss(run + Arguments{"--set", "enable_thinking=true"});
  EXPECT_EQ(other.exit_code, 3) << other.err;
  EXPECT_THAT(other.err, HasSubstr("chat_variables"));
}

// Of the baseline's answers to one prompt whose check takes any text but none.
int64_t NumPassed(const std::string& study) {
  const json report = ParseJson(TextOf(study + "/report.json")).value();
  return report.at("lanes").at(0).at("suites").at(0).at("passed").get<int64_t>();
}

TEST_F(ChatProgram, ChecksDoNotLookAtThinking) {
  const std::string thinker = Model("thinker", "{}");
  folder_.Write("thinker/chat_template.jinja",
                "{{ messages[0].content }}{% if enable_thinking %}<think>\n{% endif %}");
  const std::string suite = folder_.Write("checked.json", R"({"schema": "bitloss.suite/1",
      "id": "checked", "version": "1", "license": "CC0-1.0", "categories": [{"id": "a", "name": "A"}],
      "prompts": [{"id": "p", "category": "a", "prompt": "The cat",
                   "checks": [{"id": "any", "type": "regex", "pattern": "."}]}]})");
  MustRun(OneLine(thinker, folder_ / "answering", suite));
  EXPECT_EQ(NumPassed(folder_ / "answering"), 1);
  MustRun(OneLine(thinker, folder_ / "thinking", suite) +
          Arguments{"--set", "enable_thinking=true"});
  EXPECT_EQ(NumPassed(folder_ / "thinking"), 0);
}

TEST_F(ChatProgram, AModelWithoutSwitchesAddsNothingToTheManifest) {
  MustRun(OneLine(kTiny, folder_ / "study", prompts_));
  for (const char* key : {"prompts", "chat_variables", "chat_template", "chat_template_sha256"}) {
    EXPECT_FALSE(OptionsOf(folder_ / "study").contains(key)) << key;
  }
  EXPECT_THAT(TextOf(folder_ / "study/report.html"), Not(HasSubstr("chat template")));
}

TEST_F(ChatProgram, RecordsTheTextOfATemplateThatWasNamed) {
  const std::string chat = folder_.Write("chat.jinja", "{{ messages[0].content }}");
  const Arguments run =
      OneLine(kTiny, folder_ / "study", prompts_) + Arguments{"--chat-template", chat};
  MustRun(run);
  EXPECT_EQ(OptionsOf(folder_ / "study").at("chat_template_sha256").get<std::string>().size(), 64u);
  folder_.Write("chat.jinja", "{{ messages[0].content }}!");
  const Finished other = RunBitloss(run);
  EXPECT_EQ(other.exit_code, 3);
  EXPECT_THAT(other.err, HasSubstr("chat_template_sha256"));
}

}  // namespace
}  // namespace bitloss

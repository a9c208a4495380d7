// The suites and the model that ship with the program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <map>

#include "bitloss/base/file.h"
#include "bitloss/data/check_answer.h"
#include "bitloss/data/embedded.h"
#include "bitloss/data/text.h"

namespace bitloss {
namespace {

using ::testing::HasSubstr;

Suite Open(std::string_view name) {
  Result<Suite> suite = OpenSuite(name);
  EXPECT_TRUE(suite.ok()) << suite.error().message;
  return std::move(suite).value();
}

bool HasContentCheck(const SuitePrompt& prompt) {
  for (const Check& check : prompt.checks) {
    if (check.required && check.type->kind == CheckKind::kContent) return true;
  }
  return false;
}

std::string Explain(const SuitePrompt& prompt, std::string_view answer) {
  std::string out = prompt.id + " on \"" + std::string(answer) + "\":";
  const PromptResult result = CheckAnswer(prompt, answer);
  for (const JudgedCheck& check : result.checks) {
    out += " " + check.id + (check.outcome == CheckOutcome::kPass ? "+" : "-") + " (" +
           check.evidence + ")";
  }
  return out;
}

class ShippedSuite : public ::testing::TestWithParam<std::string_view> {};
INSTANTIATE_TEST_SUITE_P(Both, ShippedSuite, ::testing::Values("core96", "tiny96"));

TEST_P(ShippedSuite, HasTwelveCategoriesOfEight) {
  const Suite suite = Open(GetParam());
  EXPECT_EQ(suite.id, GetParam());
  ASSERT_EQ(suite.categories.size(), 12u);
  EXPECT_EQ(suite.categories[0].name, "Code Generation");
  EXPECT_EQ(suite.categories[11].name, "Domain Knowledge (Science)");
  std::map<size_t, size_t> prompts;
  for (const SuitePrompt& prompt : suite.prompts) ++prompts[prompt.category];
  for (size_t i = 0; i < 12; ++i) EXPECT_EQ(prompts[i], 8u) << suite.categories[i].name;
}

TEST_P(ShippedSuite, ChecksEveryPromptAndTheContentOfTwoThirds) {
  const Suite suite = Open(GetParam());
  size_t with_content = 0;
  for (const SuitePrompt& prompt : suite.prompts) {
    EXPECT_FALSE(prompt.checks.empty()) << prompt.id;
    with_content += HasContentCheck(prompt) ? 1 : 0;
  }
  EXPECT_GE(3 * with_content, 2 * suite.prompts.size());
}

TEST_P(ShippedSuite, PassesItsReferencesInFull) {
  const Suite suite = Open(GetParam());
  for (const SuitePrompt& prompt : suite.prompts) {
    ASSERT_FALSE(prompt.references.empty()) << prompt.id;
    for (const std::string& reference : prompt.references) {
      EXPECT_TRUE(CheckAnswer(prompt, reference).passed()) << Explain(prompt, reference);
      EXPECT_EQ(CheckAnswer(prompt, reference).score, 1.0) << Explain(prompt, reference);
    }
  }
}

TEST_P(ShippedSuite, FailsAnEmptyAnswerAndItsOwnQuestion) {
  const Suite suite = Open(GetParam());
  for (const SuitePrompt& prompt : suite.prompts) {
    EXPECT_FALSE(CheckAnswer(prompt, "").passed()) << prompt.id;
    EXPECT_FALSE(CheckAnswer(prompt, "I do not know.").passed()) << prompt.id;
  }
}

TEST_P(ShippedSuite, IsTheFileOfTheSourceTree) {
  const Result<Suite> file =
      LoadSuite(std::string(BITLOSS_SOURCE_DIR "/suites/") + std::string(GetParam()) + ".json");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file.value().sha256, Open(GetParam()).sha256);
}

TEST(Core96, FailsEveryContentCheckOnAWrongAnswer) {
  const Suite suite = Open("core96");
  const Result<std::string> bytes = ReadFile(BITLOSS_SOURCE_DIR "/suites/core96.json");
  ASSERT_TRUE(bytes.ok());
  const Result<OrderedJson> json = ParseOrderedJson(bytes.value());
  ASSERT_TRUE(json.ok());
  for (size_t i = 0; i < suite.prompts.size(); ++i) {
    const SuitePrompt& prompt = suite.prompts[i];
    for (const OrderedJson& wrong : json.value()["prompts"][i]["x-wrong"]) {
      const PromptResult result = CheckAnswer(prompt, wrong.get<std::string>());
      EXPECT_FALSE(result.passed()) << Explain(prompt, wrong.get<std::string>());
      for (size_t c = 0; c < prompt.checks.size(); ++c) {
        if (prompt.checks[c].type->kind != CheckKind::kContent) continue;
        EXPECT_FALSE(result.checks[c].outcome == CheckOutcome::kPass)
            << Explain(prompt, wrong.get<std::string>());
      }
    }
  }
}

TEST(Core96, DoesNotGiveItsAnswersAway) {
  // What is asked for must not pass by being repeated: a model that only echoes fails most prompts.
  size_t echoes_that_pass = 0;
  const Suite suite = Open("core96");
  for (const SuitePrompt& prompt : suite.prompts) {
    echoes_that_pass += CheckAnswer(prompt, prompt.prompt).passed() ? 1 : 0;
  }
  EXPECT_LE(echoes_that_pass, 20u);
}

TEST(OpenSuite, TakesAFileWhenTheNameIsNotEmbedded) {
  EXPECT_TRUE(OpenSuite(BITLOSS_SOURCE_DIR "/suites/tiny96.json").ok());
  const Result<Suite> suite = OpenSuite("core97");
  ASSERT_FALSE(suite.ok());
  EXPECT_EQ(suite.error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(suite.error().message, HasSubstr("core96, tiny96"));
}

TEST(BitlossTiny, IsFoundWithItsTexts) {
  const Result<std::filesystem::path> folder = EmbeddedModelFolder();
  ASSERT_TRUE(folder.ok()) << folder.error().message;
  EXPECT_TRUE(std::filesystem::exists(folder.value() / "model.safetensors"));
  const Result<Text> text = LoadText(folder.value() / "eval.txt");
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(text.value().raw.size(), 71501u);
  EXPECT_EQ(text.value().cluster_kind, ClusterKind::kBlocks);
  EXPECT_GE(text.value().num_clusters, 20u);
  EXPECT_TRUE(LoadText(folder.value() / "calibration.txt").ok());
}

}  // namespace
}  // namespace bitloss

// Checks against answers whose outcome people gave by hand: right, wrong and odd ones, for every
// kind of prompt. testdata/labelled: "dev" was written before the rules that it tests, "heldout"
// after them and without a look at them.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <map>

#include "bitloss/base/file.h"
#include "bitloss/data/answers_file.h"
#include "bitloss/data/checks/answer_text.h"
#include "bitloss/data/embedded.h"

namespace bitloss {
namespace {

constexpr std::string_view kFolder = BITLOSS_SOURCE_DIR "/src/bitloss/data/testdata/labelled/";

struct Agreement {
  size_t num_answers = 0;
  size_t num_agree = 0;
  size_t num_false_pass = 0;
  size_t num_false_fail = 0;
  size_t num_undecided = 0;

  void Add(const Agreement& other) {
    num_answers += other.num_answers;
    num_agree += other.num_agree;
    num_false_pass += other.num_false_pass;
    num_false_fail += other.num_false_fail;
    num_undecided += other.num_undecided;
  }
  std::string Text() const {
    return fmt::format("{}/{} agree, {} false passes, {} false fails, {} undecided", num_agree,
                       num_answers, num_false_pass, num_false_fail, num_undecided);
  }
};

std::string PathOf(std::string_view file) { return std::string(kFolder) + std::string(file); }

Suite Open(std::string_view name) {
  Result<Suite> suite = OpenSuite(name == "extra" ? PathOf("extra.json") : std::string(name));
  BITLOSS_CHECK(suite.ok());
  return std::move(suite).value();
}

// The labels of a file, in its order.
std::vector<std::string> Labels(std::string_view jsonl) {
  std::vector<std::string> labels;
  for (const std::string_view line : NonBlankLines(jsonl)) {
    const Result<OrderedJson> json = ParseOrderedJson(line);
    BITLOSS_CHECK(json.ok());
    labels.push_back(json.value()["x-label"].get<std::string>());
  }
  return labels;
}

Agreement Compare(CheckOutcome outcome, std::string_view label) {
  Agreement one{.num_answers = 1};
  one.num_agree = Name(outcome) == label ? 1 : 0;
  one.num_false_pass = outcome == CheckOutcome::kPass && label != "pass" ? 1 : 0;
  one.num_false_fail = outcome == CheckOutcome::kFail && label != "fail" ? 1 : 0;
  one.num_undecided = outcome == CheckOutcome::kUndecided ? 1 : 0;
  return one;
}

// By category, over the three suites.
std::map<std::string, Agreement> Measure(std::string_view half) {
  std::map<std::string, Agreement> kinds;
  for (const std::string_view name : {"core96", "tiny96", "extra"}) {
    const Suite suite = Open(name);
    const std::string file = fmt::format("{}-{}.jsonl", half, name);
    const Result<std::string> jsonl = ReadFile(PathOf(file));
    BITLOSS_CHECK(jsonl.ok());
    const Result<std::vector<FileAnswer>> answers = ParseAnswers(jsonl.value(), file, suite);
    EXPECT_TRUE(answers.ok()) << answers.error().message;
    if (!answers.ok()) continue;
    const std::vector<std::string> labels = Labels(jsonl.value());
    for (size_t i = 0; i < labels.size(); ++i) {
      const FileAnswer& answer = answers.value()[i];
      const SuitePrompt& prompt = suite.prompts[answer.prompt];
      const PromptResult result = CheckAnswer(prompt, answer.response);
      const Agreement one = Compare(result.outcome, labels[i]);
      kinds[suite.CategoryName(prompt)].Add(one);
      if (one.num_agree == 1) continue;
      fmt::print("  {}: labelled {}: {} {}\n", file, labels[i], Excerpt(answer.response),
                 ResultJson(prompt, result));
    }
  }
  return kinds;
}

class LabelledAnswers : public ::testing::TestWithParam<std::string_view> {};
INSTANTIATE_TEST_SUITE_P(Halves, LabelledAnswers, ::testing::Values("dev", "heldout"));

TEST_P(LabelledAnswers, AgreeOnAllKinds) {
  Agreement all;
  for (const auto& [kind, agreement] : Measure(GetParam())) {
    fmt::print("{}: {}: {}\n", GetParam(), kind, agreement.Text());
    all.Add(agreement);
    EXPECT_GE(static_cast<double>(agreement.num_agree),
              0.97 * static_cast<double>(agreement.num_answers))
        << kind;
  }
  fmt::print("{}: all: {}\n", GetParam(), all.Text());
  EXPECT_GE(all.num_answers, 200u);
}

TEST(LabelledAnswers, NoEchoPasses) {
  for (const std::string_view name : {"core96", "tiny96", "extra"}) {
    for (const SuitePrompt& prompt : Open(name).prompts) {
      for (const std::string& echo :
           {prompt.prompt, "\"" + prompt.prompt + "\"", "Question: " + prompt.prompt,
            prompt.prompt.substr(0, prompt.prompt.rfind(' '))}) {
        EXPECT_FALSE(CheckAnswer(prompt, echo).passed())
            << name << " " << prompt.id << ": " << echo;
      }
    }
  }
}

}  // namespace
}  // namespace bitloss

#include "bitloss/data/check_answer.h"

#include <gtest/gtest.h>

namespace bitloss {
namespace {

SuitePrompt WithChecks(std::string_view checks) {
  const std::string json = R"({"schema": "bitloss.suite/1", "id": "s", "version": "1",
      "categories": [{"id": "c", "name": "C"}],
      "prompts": [{"id": "p", "category": "c", "prompt": "the question", "checks": )" +
                           std::string(checks) + "}]}";
  Result<Suite> suite = ParseSuite(json, "s");
  BITLOSS_CHECK(suite.ok());
  return suite.value().prompts[0];
}

TEST(CheckAnswerDeathTest, NeedsAPromptWithChecks) {
  EXPECT_DEATH(CheckAnswer(SuitePrompt{}, "anything"), "checks");
}

TEST(CheckAnswer, PassesOnRequiredChecksAndScoresByWeight) {
  const SuitePrompt prompt = WithChecks(
      R"([{"id": "gold", "type": "contains", "value": "blue", "weight": 3},
          {"id": "short", "type": "word_count", "max": 2, "required": false}])");
  const PromptResult both = CheckAnswer(prompt, "blue sky");
  EXPECT_TRUE(both.passed());
  EXPECT_EQ(both.score, 1.0);
  const PromptResult gold_only = CheckAnswer(prompt, "the sky is blue");
  EXPECT_TRUE(gold_only.passed());
  EXPECT_EQ(gold_only.score, 0.75);
  EXPECT_EQ(gold_only.checks[1].id, "short");
  EXPECT_EQ(gold_only.checks[1].evidence, "4 words");
  const PromptResult short_only = CheckAnswer(prompt, "red");
  EXPECT_FALSE(short_only.passed());
  EXPECT_EQ(short_only.score, 0.25);
}

TEST(CheckAnswer, IsUndecidedWhereNothingFailsAndOneCannotSay) {
  const SuitePrompt prompt = WithChecks(
      R"([{"id": "gold", "type": "contains", "value": "Paris", "asserted": true},
          {"id": "no-loop", "type": "regex", "pattern": "^(a|a?)+$", "negate": true}])");
  EXPECT_TRUE(CheckAnswer(prompt, "Paris").passed());
  const PromptResult open = CheckAnswer(prompt, "Paris or Lyon");
  EXPECT_EQ(open.outcome, CheckOutcome::kUndecided);
  EXPECT_EQ(open.score, 1.0) << "of what was decided";
  EXPECT_EQ(CheckAnswer(prompt, "Lyon").outcome, CheckOutcome::kFail);
}

TEST(CheckAnswer, FailsWhatOnlyRepeatsThePrompt) {
  SuitePrompt prompt = WithChecks(R"([{"id": "a", "type": "contains", "value": "wave"}])");
  prompt.prompt = "Write a line about the sea. Use the word 'wave'.";
  for (const std::string_view echo : {"Write a line about the sea. Use the word 'wave'.",
                                      "Question: write a line about the sea. use the word wave",
                                      "Write a line about the sea. Use the word 'wave"}) {
    EXPECT_EQ(CheckAnswer(prompt, echo).outcome, CheckOutcome::kFail) << echo;
    EXPECT_EQ(CheckAnswer(prompt, echo).checks[0].evidence, "repeats the prompt") << echo;
  }
  EXPECT_TRUE(CheckAnswer(prompt, prompt.prompt + "\nA wave rolls in.").passed());
  EXPECT_FALSE(CheckAnswer(prompt, prompt.prompt + "\nA boat rolls in.").passed())
      << "the prompt's own words are not the answer's";
}

TEST(CheckAnswer, ScoresAPassWhenNothingHasWeight) {
  const SuitePrompt prompt =
      WithChecks(R"([{"id": "a", "type": "contains", "value": "x", "weight": 0}])");
  EXPECT_EQ(CheckAnswer(prompt, "x").score, 1.0);
  EXPECT_EQ(CheckAnswer(prompt, "y").score, 0.0);
}

TEST(CheckAnswer, NegatesAVerdictButNotAMissingScope) {
  const SuitePrompt prompt = WithChecks(R"([{"id": "a", "type": "refusal", "negate": true}])");
  EXPECT_TRUE(CheckAnswer(prompt, "Paris").passed());
  EXPECT_FALSE(CheckAnswer(prompt, "I cannot say").passed());
  const SuitePrompt fenced = WithChecks(
      R"([{"id": "a", "type": "contains", "value": "x", "negate": true, "scope": "fenced"}])");
  EXPECT_TRUE(CheckAnswer(fenced, "```\ny\n```").passed());
  EXPECT_FALSE(CheckAnswer(fenced, "y").passed());
}

TEST(CheckAnswer, LooksAtTheScopeOnly) {
  const auto passes = [](std::string_view scope, std::string_view answer) {
    const SuitePrompt prompt = WithChecks(R"([{"id": "a", "type": "equals", "value": "yes", )" +
                                          std::string(scope) + "}]");
    return CheckAnswer(prompt, answer).passed();
  };
  EXPECT_TRUE(passes(R"("scope": "first_line")", "\nyes\nno"));
  EXPECT_FALSE(passes(R"("scope": "first_line")", "no\nyes"));
  EXPECT_TRUE(passes(R"("scope": "last_line")", "no\nyes\n\n"));
  EXPECT_FALSE(passes(R"("scope": "last_line")", ""));
  EXPECT_TRUE(passes(R"("scope": "after_marker")", "Answer: no. ANSWER: yes\nbecause"));
  EXPECT_TRUE(passes(R"("scope": "after_marker")", "**Answer:** yes"));
  EXPECT_TRUE(passes(R"("scope": "after_marker")", "Answer:\nyes"));
  EXPECT_TRUE(passes(R"("scope": "after_marker", "marker": "=>")", "1 => yes"));
  EXPECT_FALSE(passes(R"("scope": "after_marker")", "yes"));
  EXPECT_TRUE(passes(R"("scope": "fenced")", "a\n```\nyes\n```"));
}

TEST(CheckAnswer, ComparesWithThePromptOfTheAnswer) {
  const SuitePrompt prompt = WithChecks(R"([{"id": "a", "type": "max_copy", "max_words": 1}])");
  EXPECT_FALSE(CheckAnswer(prompt, "The question").passed());
  EXPECT_TRUE(CheckAnswer(prompt, "A question").passed());
}

TEST(CheckAnswer, TellsItsEvidenceAsJson) {
  const SuitePrompt prompt = WithChecks(R"([{"id": "a", "type": "numeric", "gold": 36}])");
  EXPECT_EQ(EvidenceJson(CheckAnswer(prompt, "36")),
            R"([{"id":"a","outcome":"pass","passed":true,"evidence":"read 36"}])");
}

TEST(CheckAnswer, BoundsWhatItReads) {
  const SuitePrompt prompt = WithChecks(R"([{"id": "a", "type": "contains", "value": "end"}])");
  EXPECT_FALSE(CheckAnswer(prompt, std::string(100000, 'x') + "end").passed());
  EXPECT_FALSE(CheckAnswer(prompt, std::string(65535, 'x') + "é").passed());
}

}  // namespace
}  // namespace bitloss

#include "bitloss/report/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bitloss/base/file.h"
#include "bitloss/report/test_report.h"
#include "bitloss/stats/paired_outcomes.h"

namespace bitloss {
namespace {

using testing::HasSubstr;

GatePolicy PolicyOf(std::string_view toml) {
  Result<GatePolicy> policy = ParseGatePolicy(toml, "policy.toml");
  EXPECT_TRUE(policy.ok()) << policy.error().message;
  return std::move(policy).value();
}

std::string ErrorOf(std::string_view toml) {
  const Result<GatePolicy> policy = ParseGatePolicy(toml, "policy.toml");
  return policy.ok() ? "" : policy.error().message;
}

GateResult Gate(const SmallStudy& study, std::string_view toml) {
  ThreadPool threads(2);
  Result<GateResult> result = CheckGate(ReportOf(study), PolicyOf(toml), threads);
  EXPECT_TRUE(result.ok()) << result.error().message;
  return std::move(result).value();
}

// Lane 1 of NineArticles loses 0.25 nats on every token: no spread, a certain interval.
constexpr std::string_view kLoss = "[[rule]]\nmetric = \"delta_nll\"\nat_most = ";

TEST(GateTest, HoldsBreaksOrCannotDecide) {
  const SmallStudy study = NineArticles();
  EXPECT_EQ(Gate(study, std::string(kLoss) + "0.3").exit_code(), 0);
  EXPECT_EQ(Gate(study, std::string(kLoss) + "0.25").exit_code(),
            0);  // the bound itself is allowed
  EXPECT_EQ(Gate(study, std::string(kLoss) + "0.2").exit_code(), 1);
  // Two prompts, both lost: Tango's interval reaches far down.
  EXPECT_EQ(Gate(study, "[[rule]]\nmetric = \"pass_drop\"\nat_most = 0.5").exit_code(), 2);
}

TEST(GateTest, HarmOutweighsDoubtAndComesLast) {
  const GateResult result = Gate(NineArticles(), std::string(kLoss) + "0.2\n" + std::string(kLoss) +
                                                     "0.3\n[[rule]]\nmetric = \"pass_drop\"\n"
                                                     "at_most = 0.5");
  EXPECT_EQ(result.exit_code(), 1);
  ASSERT_EQ(result.checks.size(), 3u);
  EXPECT_EQ(result.checks[0].state, GateState::kHolds);
  EXPECT_EQ(result.checks[1].state, GateState::kUndecided);
  EXPECT_EQ(result.checks[2].state, GateState::kHarm);
}

TEST(GateTest, TheDecidingIntervalIsOneSidedAtTheRulesConfidence) {
  const GateResult result =
      Gate(SmallStudy(), "[[rule]]\nmetric = \"pass_drop\"\nat_most = 0.5\nconfidence = 0.9");
  const Interval tango = TangoInterval({.base_only = 2}, 0.8);
  EXPECT_DOUBLE_EQ(result.checks[0].confidence, 0.8);
  EXPECT_DOUBLE_EQ(result.checks[0].measured->interval.low, -tango.high);
  EXPECT_DOUBLE_EQ(result.checks[0].measured->interval.high, -tango.low);
}

TEST(GateTest, HarmMustBeShownAtAConfidenceThatAllChecksShare) {
  // Losses around 0.25: the interval of one check lies above 0.1, that of twenty does not.
  SmallStudy study = NineArticles();
  const double losses[] = {0.05, 0.45, 0.1, 0.4, 0.25, 0.05, 0.45, 0.1, 0.4};
  for (size_t t = 0; t < 9; ++t) {
    const size_t unit = t < 4 ? 0 : 1;
    const size_t token = t - 4 * unit;
    study.scores[unit][1].nll[token] = study.scores[unit][0].nll[token] + losses[t];
  }
  const std::string rule = std::string(kLoss) + "0.1\n";
  EXPECT_EQ(Gate(study, rule).exit_code(), 1);
  std::string many;
  for (int i = 0; i < 20; ++i) many += rule;
  EXPECT_EQ(Gate(study, many).exit_code(), 2);
}

TEST(GateTest, TwoArticlesAreTooLittleTextToDecide) {
  const GateResult result = Gate(SmallStudy(), std::string(kLoss) + "0.2");
  EXPECT_EQ(result.exit_code(), 2);
  EXPECT_THAT(result.checks[0].sentence, HasSubstr("too little text: 2 articles"));
}

TEST(GateTest, MetricsWhoseHarmIsDownwardAreTurned) {
  // Three of nine tokens disagree.
  EXPECT_EQ(Gate(NineArticles(), "[[rule]]\nmetric = \"top1_agreement\"\nat_least = 0.999")
                .checks[0]
                .measured->value,
            6.0 / 9);
  EXPECT_EQ(Gate(SmallStudy(), "[[rule]]\nmetric = \"identical\"\nat_least = 0.9").exit_code(), 1);
}

TEST(GateTest, FactsHaveNoInterval) {
  EXPECT_EQ(Gate(SmallStudy(), "[[rule]]\nmetric = \"bits_per_weight\"\nat_most = 4.8").exit_code(),
            0);
  EXPECT_EQ(Gate(SmallStudy(), "[[rule]]\nmetric = \"bits_per_weight\"\nat_most = 4.5").exit_code(),
            1);
}

TEST(GateTest, ALaneThatTheStudyDoesNotHaveIsAnError) {
  ThreadPool threads(1);
  const auto result = CheckGate(ReportOf(SmallStudy()),
                                PolicyOf(std::string(kLoss) + "0.3\nlanes = [\"awq\"]"), threads);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(result.error().message,
            "rule 'delta_nll' is about lane 'awq', which the study does not have; it has: fp16, "
            "nf4-1");
}

TEST(GateTest, WhatIsNotThereCannotBeDecided) {
  const auto sentence = [](std::string_view rest) {
    const GateResult result = Gate(SmallStudy(), std::string(kLoss) + "0.3\n" + std::string(rest));
    EXPECT_EQ(result.exit_code(), 2);
    return result.checks[0].sentence;
  };
  EXPECT_EQ(sentence("protocol = \"rolling-doc\""), "the study has not scored such a text");
  const GateResult floor = Gate(SmallStudy(), "[[rule]]\nmetric = \"kl_above_floor\"\nat_most = 1");
  EXPECT_EQ(floor.exit_code(), 2);
  EXPECT_THAT(floor.checks[0].sentence, HasSubstr("control-bf16"));
}

TEST(GateTest, AnIncompleteStudyDoesNotPass) {
  SmallStudy study;
  study.manifest.protocols[0].num_units = 9;
  EXPECT_EQ(Gate(study, std::string(kLoss) + "0.3").exit_code(), 2);
}

TEST(GateTest, ALaneWithAnErrorIsAnError) {
  SmallStudy study;
  for (auto& unit : study.scores) std::ranges::fill(unit[1].kl, 0.0);
  for (AnswerScores& scores : study.answer_scores) std::ranges::fill(scores.scores.kl, 0.0);
  ThreadPool threads(1);
  const auto result = CheckGate(ReportOf(study), PolicyOf(std::string(kLoss) + "0.3"), threads);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, HasSubstr("quantization did not engage"));
}

TEST(GateTest, PoliciesAreReadStrictly) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("policy.toml:1: the policy has no rule"));
  EXPECT_THAT(ErrorOf("[[rule]\n"), HasSubstr("policy.toml:1: not TOML"));
  EXPECT_THAT(ErrorOf("[[rule]]\nmetric = \"ppl\"\nat_most = 1"),
              HasSubstr("policy.toml:2: unknown metric 'ppl'; known: delta_nll"));
  EXPECT_THAT(ErrorOf("[[rule]]\nmetric = \"kl\"\nat_least = 1"),
              HasSubstr("'kl' needs 'at_most', not 'at_least'"));
  EXPECT_THAT(ErrorOf("[[rule]]\nmetric = \"kl\""), HasSubstr("has no 'at_most'"));
  EXPECT_THAT(ErrorOf("[[rule]]\nmetric = \"kl\"\nat_most = \"1\""), HasSubstr("not a number"));
  EXPECT_THAT(ErrorOf("[[rule]]\nmetric = \"kl\"\nat_most = 1\nsuite = \"x\""),
              HasSubstr("policy.toml:4: 'kl' has no suite"));
  EXPECT_THAT(ErrorOf("confidence = 95\n"), HasSubstr("between 0.5 and 1"));
  EXPECT_THAT(ErrorOf("margin = 1\n"), HasSubstr("unknown key 'margin'"));
}

TEST(GateTest, TheExamplePolicyIsOne) {
  const Result<std::string> text =
      ReadFile(std::filesystem::path(BITLOSS_SOURCE_DIR) / "examples/gate/policy.toml");
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(PolicyOf(text.value()).rules.size(), 6u);
}

TEST(GateTest, WritersTellTheDecidingInterval) {
  const GateResult result = Gate(NineArticles(), std::string(kLoss) +
                                                     "0.2\n[[rule]]\n"
                                                     "metric = \"pass_drop\"\n"
                                                     "at_most = 0.5");
  const std::string text = WriteGateText(result);
  EXPECT_THAT(text, HasSubstr("harm shown     nf4-1, delta_nll on held-out, gptq-2048: 0.25 [0.25, "
                              "0.25] (95% interval, 9 articles); at most 0.2 nats/token"));
  EXPECT_THAT(text, HasSubstr("harm is shown; 2 checks: 0 hold, 1 cannot be decided, 1 show harm"));
  EXPECT_THAT(WriteGateMarkdown(result, "tiny"), HasSubstr("| nf4-1 | delta\\_nll on held-out"));
  const std::string junit = WriteGateJunit(result, "a < b");
  EXPECT_THAT(junit, HasSubstr("<testsuite name=\"a &lt; b\" tests=\"2\" failures=\"1\" "
                               "errors=\"1\">"));
  EXPECT_THAT(junit, HasSubstr("<failure type=\"harm shown\""));
  EXPECT_THAT(junit, HasSubstr("name=\"delta_nll on held-out, gptq-2048: at most 0.2 nats/token\""))
      << "two rules on one metric have two names";
}

}  // namespace
}  // namespace bitloss

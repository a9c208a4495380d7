#include "bitloss/report/verdicts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "bitloss/json/parse.h"
#include "bitloss/report/test_report.h"
#include "bitloss/report/writers.h"
#include "bitloss/stats/paired_outcomes.h"

namespace bitloss {
namespace {

using testing::HasSubstr;

// Twelve articles of one token: lane 1's loss differs by `deltas`, its KL is `kl`; lane 2 is an A/A
// control with a KL of `floor`. No suites.
SmallStudy TwelveArticles(const std::vector<double>& deltas, double kl, double floor) {
  SmallStudy study;
  study.manifest.suites.clear();
  study.manifest.protocols[0].num_units = 1;
  study.prompts.clear();
  study.answers.clear();
  study.answer_scores.clear();
  study.timings.clear();
  study.lanes.push_back(SmallLane(2));
  study.lanes[2].control = true;
  study.units = {SmallUnit(0)};
  TextUnit& unit = study.units[0];
  unit.num_scored = 12;
  unit.num_tokens = 13;
  unit.weight = 12;
  unit.clusters.clear();
  study.scores = {std::vector<TokenScores>(3)};
  for (size_t lane = 0; lane < 3; ++lane) study.scores[0][lane].lane = lane;
  for (uint32_t article = 0; article < 12; ++article) {
    unit.clusters.push_back({article, 1});
    for (size_t lane = 0; lane < 3; ++lane) {
      TokenScores& scores = study.scores[0][lane];
      scores.nll.push_back(2.0 + (lane == 1 ? deltas[article] : 0.0));
      if (lane == 0) continue;
      // Spread a little, so that there is an error.
      scores.kl.push_back((lane == 1 ? kl : floor) * (article % 2 == 0 ? 0.9 : 1.1));
      scores.kl_reverse.push_back(scores.kl.back());
      scores.top1_agrees.push_back(1);
    }
  }
  return study;
}

std::vector<double> Around(double center, double spread) {
  std::vector<double> values;
  for (size_t i = 0; i < 12; ++i) values.push_back(center + (i % 2 == 0 ? -spread : spread));
  return values;
}

const Finding& FindingOf(const ReportData& report, Measure measure) {
  for (const Finding& finding : report.lanes[1].findings) {
    if (finding.measure == measure) return finding;
  }
  ADD_FAILURE() << "no such finding";
  return report.lanes[1].findings[0];
}

TEST(VerdictsTest, TheIntervalOfALossIsStudentsAtTheFamilysConfidence) {
  const ReportData report = ReportOf(TwelveArticles(Around(0.157, 0.02), 0.2, 1e-5));
  EXPECT_EQ(report.confirmatory.num_tests, 2u);
  EXPECT_DOUBLE_EQ(report.confirmatory.confidence, 0.975);
  const Finding& loss = FindingOf(report, Measure::kLoss);
  EXPECT_EQ(loss.verdict, Verdict::kHarm);
  EXPECT_NEAR(loss.value.value(), 0.157, 1e-12);
  // Of equal clusters the jackknife's error is s / sqrt(12); t_{0.9875, 11} and t_{0.95, 11} from
  // tables.
  const double error = 0.02 * std::sqrt(12.0 / 11) / std::sqrt(12.0);
  EXPECT_NEAR(loss.interval->low, 0.157 - 2.593093 * error, 1e-7);
  EXPECT_NEAR(loss.interval->high, 0.157 + 2.593093 * error, 1e-7);
  EXPECT_NEAR(loss.upper_bound.value(), 0.157 + 1.795885 * error, 1e-7);
  EXPECT_THAT(loss.sentence, HasSubstr("raises the loss by 0.157 nats/token [0.141, 0.173], 12 "
                                       "articles: larger than the margin of 0.0500"));
  EXPECT_GE(loss.p_holm.value(), loss.p.value());
}

TEST(VerdictsTest, EveryStateIsReached) {
  const auto verdict = [](double center, double spread) {
    return FindingOf(ReportOf(TwelveArticles(Around(center, spread), 0.2, 1e-5)), Measure::kLoss)
        .verdict;
  };
  EXPECT_EQ(verdict(0.2, 0.02), Verdict::kHarm);
  EXPECT_EQ(verdict(0.02, 0.005), Verdict::kSmallHarm);
  EXPECT_EQ(verdict(0.001, 0.02), Verdict::kEquivalent);
  EXPECT_EQ(verdict(-0.003, 0.02), Verdict::kEquivalent);  // a gain is not called one
  EXPECT_EQ(verdict(0.03, 0.2), Verdict::kNotResolved);
  EXPECT_EQ(verdict(0.06, 0.02), Verdict::kNotResolved);  // harm, of a size that is not known
}

TEST(VerdictsTest, WhatIsNotResolvedSaysWhatTheDataAllow) {
  const ReportData report = ReportOf(TwelveArticles(Around(0.03, 0.2), 0.2, 1e-5));
  EXPECT_THAT(FindingOf(report, Measure::kLoss).sentence,
              HasSubstr("the data allow anything from a gain of 0.126 to a loss of 0.186 "
                        "nats/token (12 articles)"));
}

TEST(VerdictsTest, ADivergenceIsJudgedAboveTheFloorAndNamedOnlyWithOne) {
  ReportData report = ReportOf(TwelveArticles(Around(0.157, 0.02), 0.2, 0.01));
  const Finding& divergence = FindingOf(report, Measure::kDivergence);
  EXPECT_EQ(divergence.verdict, Verdict::kHarm);
  EXPECT_NEAR(divergence.value.value(), 0.19, 1e-12);
  const TextResult& text = report.lanes[1].texts[0];
  EXPECT_DOUBLE_EQ(text.floor->kl, 0.01);
  EXPECT_EQ(text.label, DivergenceLabel::kHeavy);
  EXPECT_TRUE(report.lanes[2].findings.empty());  // the control is not on trial
  EXPECT_FALSE(report.lanes[2].texts[0].label.has_value());

  SmallStudy without = TwelveArticles(Around(0.157, 0.02), 0.2, 0.01);
  without.lanes.pop_back();
  without.scores[0].pop_back();
  report = ReportOf(without);
  EXPECT_EQ(FindingOf(report, Measure::kDivergence).verdict, Verdict::kNotMeasured);
  EXPECT_THAT(FindingOf(report, Measure::kDivergence).sentence, HasSubstr("control-bf16"));
  EXPECT_FALSE(report.lanes[1].texts[0].label.has_value());
}

TEST(VerdictsTest, ADivergenceWithinTheNoiseIsJudgedLikeAnyOther) {
  const ReportData report = ReportOf(TwelveArticles(Around(0.0, 0.02), 0.0101, 0.0102));
  const Finding& divergence = FindingOf(report, Measure::kDivergence);
  EXPECT_NEAR(divergence.value.value(), -0.0001, 1e-12);
  EXPECT_LT(divergence.upper_bound.value(), kDivergenceMargin);
  EXPECT_EQ(divergence.verdict, Verdict::kEquivalent);
  EXPECT_THAT(divergence.sentence, HasSubstr("no loss larger than 0.0100 nats/token"));
  EXPECT_EQ(report.lanes[1].texts[0].label, DivergenceLabel::kIndistinguishable);
}

TEST(VerdictsTest, ADivergenceShownAboveTheFloorIsNotCalledIndistinguishable) {
  // Twice the floor and surely so: within three floors, and yet told from it.
  const ReportData report = ReportOf(TwelveArticles(Around(0.0, 0.02), 0.002, 0.001));
  EXPECT_EQ(FindingOf(report, Measure::kDivergence).verdict, Verdict::kSmallHarm);
  EXPECT_EQ(report.lanes[1].texts[0].label, DivergenceLabel::kNearLossless);
}

TEST(VerdictsTest, AGainIsNotEquivalence) {
  const ReportData report = ReportOf(TwelveArticles(Around(-0.145, 0.02), 0.2, 1e-5));
  const Finding& loss = FindingOf(report, Measure::kLoss);
  EXPECT_EQ(loss.verdict, Verdict::kGain);
  EXPECT_THAT(loss.sentence, HasSubstr("better than the baseline, not the same as it"));
}

TEST(VerdictsTest, AnAdjustedPAgreesWithTheWordBesideIt) {
  // An effect whose p is between 0.05 / 2 and 0.05: Holm's may pass where the interval does not.
  for (const double center : {0.004, 0.008, 0.012, 0.016, 0.02}) {
    const ReportData report = ReportOf(TwelveArticles(Around(center, 0.02), 0.2, 1e-5));
    const Finding& loss = FindingOf(report, Measure::kLoss);
    const bool shown = loss.interval->low > 0 || loss.interval->high < 0;
    EXPECT_EQ(loss.p_bonferroni.value() < 0.05, shown) << center;
    EXPECT_GE(loss.p_bonferroni.value(), loss.p_holm.value());
  }
}

TEST(VerdictsTest, TwoArticlesAreTooLittleText) {
  const ReportData report = ReportOf(SmallStudy());
  const Finding& loss = FindingOf(report, Measure::kLoss);
  EXPECT_EQ(loss.verdict, Verdict::kNotMeasured);
  EXPECT_EQ(loss.sentence,
            "too little text: 2 articles (1.8 effective) where an interval needs 4, about 3 times "
            "as much");
  EXPECT_FALSE(loss.interval.has_value());
  EXPECT_FALSE(report.lanes[1].texts[0].delta_nll->interval.has_value());
  EXPECT_FALSE(report.lanes[1].texts[0].kl->mean.interval.has_value());
}

TEST(VerdictsTest, LabelsNeedBothTheDivergenceAndTheAgreement) {
  EXPECT_EQ(LabelOf(3e-5, 0.5, 1e-5), DivergenceLabel::kIndistinguishable);
  EXPECT_EQ(LabelOf(0.01, 0.95, 1e-5), DivergenceLabel::kNearLossless);
  EXPECT_EQ(LabelOf(0.01, 0.94, 1e-5), DivergenceLabel::kModerate);
  EXPECT_EQ(LabelOf(0.1, 0.84, 1e-5), DivergenceLabel::kHeavy);
  EXPECT_EQ(LabelOf(0.5, 0.64, 1e-5), DivergenceLabel::kBroken);
  EXPECT_EQ(LabelOf(0.51, 0.99, 1e-5), DivergenceLabel::kBroken);
}

TEST(VerdictsTest, AnswersAreJudgedByTheirPairs) {
  const ReportData report = ReportOf(SmallStudy());
  const Finding& answers = FindingOf(report, Measure::kAnswers);
  // Both prompts lost: two of two tell very little.
  EXPECT_DOUBLE_EQ(answers.value.value(), 1.0);
  EXPECT_DOUBLE_EQ(answers.p.value(), 0.5);
  EXPECT_EQ(report.confirmatory.num_tests, 1u);  // two articles are too little text
  const Interval tango = TangoInterval({.base_only = 2}, 0.95);
  EXPECT_DOUBLE_EQ(answers.interval->low, -tango.high);
  EXPECT_DOUBLE_EQ(answers.interval->high, -tango.low);
  EXPECT_EQ(answers.verdict, Verdict::kNotResolved);
}

TEST(VerdictsTest, ABaselineThatPassesTooFewCannotShowRegressions) {
  SmallStudy study;
  study.answers[0].check->passed = false;
  study.answers[1].check->passed = false;
  const ReportData report = ReportOf(study);
  const Finding& answers = FindingOf(report, Measure::kAnswers);
  EXPECT_EQ(answers.verdict, Verdict::kNotMeasured);
  EXPECT_EQ(answers.sentence, "the baseline passes 0 of 2 prompts: too few for a loss to show");
  EXPECT_FALSE(report.lanes[1].suites[0].categories[0].counts.CanShowRegressions());
  EXPECT_THAT(WriteMarkdown(report), HasSubstr("the baseline passes too few to lose any"));
}

TEST(VerdictsTest, ALaneWithAnErrorIsNotJudged) {
  const ReportData report = ReportOf(TwelveArticles(Around(0.0, 0.0), 0.0, 1e-5));
  for (const Finding& finding : report.lanes[1].findings) {
    EXPECT_EQ(finding.verdict, Verdict::kNotMeasured);
    EXPECT_THAT(finding.sentence, HasSubstr("quantization did not engage"));
  }
  EXPECT_EQ(report.confirmatory.num_tests, 0u);
}

TEST(VerdictsTest, EveryWriterTellsThem) {
  const ReportData report = ReportOf(TwelveArticles(Around(0.157, 0.02), 0.2, 1e-5));
  const auto json = ParseJson(WriteJson(report)).value();
  const auto& loss = json["lanes"][1]["verdicts"][0];
  EXPECT_EQ(loss["verdict"], "harm shown");
  EXPECT_EQ(loss["protocol"], "gptq-2048");
  EXPECT_EQ(loss["confidence"], 0.975);
  EXPECT_EQ(json["confirmatory"]["tests"], 2);
  EXPECT_EQ(json["lanes"][1]["protocols"][0]["label"], "heavy");
  EXPECT_EQ(json["lanes"][1]["protocols"][0]["clusters"].size(), 12u);
  EXPECT_EQ(json["lanes"][0]["protocols"][0]["tokens_hash"],
            json["lanes"][1]["protocols"][0]["tokens_hash"]);
  for (const std::string& text : {WriteMarkdown(report), TerminalDetails(report)}) {
    EXPECT_THAT(text, HasSubstr("harm shown"));
    EXPECT_THAT(text, HasSubstr("raises the loss by 0.157"));
    EXPECT_THAT(text, HasSubstr("heavy"));
    EXPECT_THAT(text, HasSubstr("2 tests together"));
  }
}

}  // namespace
}  // namespace bitloss

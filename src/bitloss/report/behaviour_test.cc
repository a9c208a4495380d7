#include "bitloss/report/behaviour.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "bitloss/json/parse.h"
#include "bitloss/report/test_report.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

using testing::HasSubstr;

// Prompt 0 parts at token 2 of 3; prompt 1 is answered alike to its end.
SmallStudy OneParts() {
  SmallStudy study;
  study.answers[3] = study.answers[1];
  study.answers[3].lane = 1;
  return study;
}

TEST(BehaviourTest, AnswersPartOrEndTogether) {
  const ReportData report = ReportOf(OneParts());
  const Behaviour& behaviour = report.lanes[1].suites[0].behaviour.value();
  EXPECT_EQ(behaviour.num_compared, 2u);
  ASSERT_EQ(behaviour.survival.size(), 3u);
  EXPECT_EQ(behaviour.survival[0].tokens, 8u);
  // One of two at risk parted, the other was censored at 3 tokens.
  EXPECT_DOUBLE_EQ(behaviour.survival[0].share, 0.5);
  EXPECT_EQ(behaviour.median_divergence, 2u);
  // Two answers: the upper end of S is 0.91 still at the last token.
  EXPECT_EQ(behaviour.median_divergence_low, 2u);
  EXPECT_FALSE(behaviour.median_divergence_high.has_value());
  EXPECT_DOUBLE_EQ(behaviour.edit_distance.value, (1.0 / 3 + 0) / 2);
  EXPECT_GT(behaviour.chrf2.value, 90.0);  // "answer of lane 0", "answer of lane 1"
  EXPECT_LT(behaviour.chrf2.value, 100.0);
  EXPECT_FALSE(report.lanes[0].suites[0].behaviour.has_value());
}

TEST(BehaviourTest, AnAnswerThatEndedCanNoLongerPart) {
  const auto same_at_8 = [](FinishReason finish) {
    SmallStudy study;
    for (Answer& answer : study.answers) {
      answer.finish = FinishReason::kEos;
      if (answer.prompt == 0) {
        // The same three tokens in both lanes.
        answer.token_ids = {5, 6, 7};
        answer.finish = finish;
      } else {
        answer.token_ids = {1, 2, 3, 4, 5, static_cast<int32_t>(answer.lane)};
      }
    }
    return ReportOf(study).lanes[1].suites[0].behaviour->survival[0].share;
  };
  // Prompt 1 parts at token 5: of two answers that are known one is the same, of one none.
  EXPECT_DOUBLE_EQ(same_at_8(FinishReason::kEos), 0.5);
  EXPECT_DOUBLE_EQ(same_at_8(FinishReason::kLimit), 0);
}

TEST(BehaviourTest, CountsWrongAnswersThatDiffer) {
  SmallStudy study = OneParts();
  for (Answer& answer : study.answers) answer.check->passed = false;
  EXPECT_EQ(ReportOf(study).lanes[1].suites[0].behaviour->num_wrong_to_wrong, 1u);
}

TEST(BehaviourTest, CategoriesBorrowFromEachOther) {
  const ReportData report = ReportOf(OneParts());
  const std::vector<CategoryResult>& categories = report.lanes[1].suites[0].categories;
  // One of one lost in Mathematics, none of one in Science: prior mean 1/2.
  const CategoryEvidence& lost = categories[0].evidence.value();
  const CategoryEvidence& kept = categories[1].evidence.value();
  EXPECT_LT(lost.regression_rate, 1.0);
  EXPECT_GT(kept.regression_rate, 0.0);
  EXPECT_DOUBLE_EQ(lost.regression_rate + kept.regression_rate, 1.0);
  EXPECT_DOUBLE_EQ(lost.p, 1.0);  // a single flip says nothing
  EXPECT_DOUBLE_EQ(lost.p_adjusted, 1.0);
  EXPECT_FALSE(report.lanes[0].suites[0].categories[0].evidence.has_value());
}

TEST(BehaviourTest, TheWordExploratoryStandsWhereItBelongs) {
  const ReportData report = ReportOf(OneParts());
  EXPECT_THAT(WriteMarkdown(report), HasSubstr("Exploratory: prompts lost"));
  const auto json = ParseJson(WriteJson(report)).value();
  const auto& suite = json["lanes"][1]["suites"][0];
  EXPECT_TRUE(suite["categories"][0].contains("exploratory"));
  EXPECT_EQ(suite["behaviour"]["same_beginning"][0]["share"], 0.5);
  EXPECT_EQ(suite["behaviour"]["median_divergence"], 2);
}

}  // namespace
}  // namespace bitloss

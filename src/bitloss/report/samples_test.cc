#include "bitloss/report/samples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bitloss/metrics/similarity.h"
#include "bitloss/report/test_report.h"

namespace bitloss {
namespace {

SampledAnswer Sample(size_t lane, size_t prompt, uint32_t sample, int32_t token, bool passed) {
  Answer answer{.lane = lane, .prompt = prompt, .text = "", .token_ids = {1, token}};
  answer.text = std::string(static_cast<size_t>(token), 'a' + static_cast<char>(token));
  answer.check = CheckResult{.passed = passed, .score = passed ? 1.0 : 0.0};
  return {sample, answer};
}

// Three samples of two prompts. The baseline says 1, 1, 2 to the first and 3, 4, 5 to the second;
// the lane says the same, but for the last of each.
SmallStudy Sampled() {
  SmallStudy study;
  study.manifest.options = R"({"samples": {"count": 3, "temperature": 0.7}})";
  const int32_t tokens[2][3] = {{1, 1, 2}, {3, 4, 5}};
  for (size_t prompt = 0; prompt < 2; ++prompt) {
    for (uint32_t sample = 0; sample < 3; ++sample) {
      const int32_t token = tokens[prompt][sample];
      study.samples.push_back(Sample(0, prompt, sample, token, true));
      study.samples.push_back(Sample(1, prompt, sample, sample == 2 ? 9 : token, sample != 2));
    }
  }
  return study;
}

TEST(SamplesTest, StandBetweenHonestSamplesAndTheSame) {
  const ReportData report = ReportOf(Sampled());
  const SampleResult& self = report.lanes[0].suites[0].samples.value();
  // One pair of three is equal in the first prompt, none in the second.
  EXPECT_EQ(self.num_per_prompt, 3u);
  EXPECT_EQ(self.num_prompts, 2u);
  EXPECT_DOUBLE_EQ(self.self_identical.value, (1.0 / 3 + 0) / 2);
  EXPECT_FALSE(self.identical.has_value());

  const SampleResult& lane = report.lanes[1].suites[0].samples.value();
  EXPECT_DOUBLE_EQ(lane.self_identical.value, self.self_identical.value);
  EXPECT_DOUBLE_EQ(lane.identical->value, 2.0 / 3);
  // sum (x - s) / sum (1 - s)
  EXPECT_DOUBLE_EQ(lane.identical_place->value, (1.0 / 3 + 2.0 / 3) / (2.0 / 3 + 1));
  EXPECT_DOUBLE_EQ(lane.pass_change->value, -1.0 / 3);
  EXPECT_DOUBLE_EQ(*lane.pass_p, 0.5);  // two of the four patterns of two equal differences
}

TEST(SamplesTest, AnIdenticalLaneIsAtOne) {
  SmallStudy study = Sampled();
  for (SampledAnswer& sample : study.samples) {
    if (sample.answer.lane == 0) continue;
    sample = Sample(1, sample.answer.prompt, sample.sample,
                    sample.answer.prompt == 0 ? (sample.sample == 2 ? 2 : 1)
                                              : 3 + static_cast<int32_t>(sample.sample),
                    true);
  }
  const ReportData report = ReportOf(study);
  const SampleResult& lane = report.lanes[1].suites[0].samples.value();
  EXPECT_DOUBLE_EQ(lane.identical_place->value, 1);
  EXPECT_DOUBLE_EQ(lane.chrf2_place->value, 1);
  EXPECT_DOUBLE_EQ(*lane.pass_p, 1);
}

// Honest samples of the first prompt are all alike, the lane's are others: that prompt counts.
TEST(SamplesTest, APromptWhoseHonestSamplesAreAlikeCountsInThePlace) {
  SmallStudy study = Sampled();
  for (SampledAnswer& sample : study.samples) {
    if (sample.answer.prompt != 0) continue;
    sample = Sample(sample.answer.lane, 0, sample.sample, sample.answer.lane == 0 ? 1 : 7, true);
  }
  const SampleResult lane = ReportOf(study).lanes[1].suites[0].samples.value();
  // Prompt 0: x = 0, s = 1. Prompt 1: x = 2/3, s = 0.
  EXPECT_DOUBLE_EQ(lane.identical_place->value, (0.0 - 1 + 2.0 / 3) / (0 + 1));
}

// chrF2 weighs recall four times as much as precision: the lane's answer is the hypothesis.
TEST(SamplesTest, TheBaselineIsTheReference) {
  SmallStudy study = Sampled();
  for (SampledAnswer& sample : study.samples) {
    sample.answer.text = sample.answer.lane == 0 ? "abcdefgh" : "abcd";
    sample.answer.token_ids = {sample.answer.lane == 0 ? 1 : 2};
  }
  const SampleResult lane = ReportOf(study).lanes[1].suites[0].samples.value();
  EXPECT_DOUBLE_EQ(lane.chrf2->value, ChrF2("abcd", "abcdefgh") / 100);
  EXPECT_NE(ChrF2("abcd", "abcdefgh"), ChrF2("abcdefgh", "abcd"));
}

TEST(SamplesTest, AStudyThatLacksSomeIsNotComplete) {
  SmallStudy study = Sampled();
  EXPECT_TRUE(ReportOf(study).complete);
  study.samples.pop_back();
  EXPECT_FALSE(ReportOf(study).complete);
}

TEST(SamplesTest, TheTableBeginsWithTheBaselineAgainstItself) {
  const ReportData report = ReportOf(Sampled());
  const Table table = SampleTable(report, 0);
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.rows[0][0].value, "fp16, other dice");
  EXPECT_EQ(table.rows[0][1].value, "16.7");
  EXPECT_THAT(SampleCaption(report, 0), testing::HasSubstr("3 samples of each of 2 prompts"));
  EXPECT_TRUE(SampleTable(ReportOf(SmallStudy()), 0).rows.empty());
}

}  // namespace
}  // namespace bitloss

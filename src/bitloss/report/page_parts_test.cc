// What the page computes for itself, by hand-made numbers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "bitloss/json/parse.h"
#include "bitloss/report/chart_data.h"
#include "bitloss/report/failures.h"
#include "bitloss/report/fork.h"
#include "bitloss/report/heat_map.h"
#include "bitloss/report/paired_kl.h"
#include "bitloss/report/pareto.h"
#include "bitloss/report/ranking.h"
#include "bitloss/report/test_report.h"

namespace bitloss {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(BandsTest, EveryTokenIsInOneBandOfEachKind) {
  SmallStudy study;
  // Unit 1: five tokens of which two are sure; their KL is (t + 0.25) / 64.
  study.scores[0][0].top1_probability = {0.0, 0.1, 0.5, 0.5};
  study.scores[1][0].top1_probability = {0.5, 0.5, 0.5, 0.995, 1.0};
  const Bands bands = ReportOf(study).lanes[1].texts[0].bands;
  ASSERT_EQ(bands.by_position.size(), 1u);
  EXPECT_EQ(bands.by_position[0].name, "0-15");
  EXPECT_EQ(bands.by_position[0].num_tokens, 9u);
  EXPECT_DOUBLE_EQ(bands.by_position[0].kl.value, (6 + 10 + 9 * 0.25) / 64 / 9);
  ASSERT_EQ(bands.by_confidence.size(), 4u);
  EXPECT_EQ(bands.by_confidence[0].name, "0-10 %");
  EXPECT_EQ(bands.by_confidence[1].name, "10-25 %");
  EXPECT_EQ(bands.by_confidence[2].name, "50-75 %");
  EXPECT_EQ(bands.by_confidence[3].name, "99-100 %");
  EXPECT_EQ(bands.by_confidence[3].num_tokens, 2u);
  EXPECT_DOUBLE_EQ(bands.by_confidence[3].kl.value, (3.25 + 4.25) / 64 / 2);
}

TEST(BandsTest, PositionsCountTokensThatAreNotScoredToo) {
  SmallStudy study;
  study.units[0].num_tokens = 255 + 4;  // positions 255 to 258
  const Bands bands = ReportOf(study).lanes[1].texts[0].bands;
  ASSERT_EQ(bands.by_position.size(), 3u);
  EXPECT_EQ(bands.by_position[0].name, "0-15");
  EXPECT_EQ(bands.by_position[0].num_tokens, 5u);
  EXPECT_EQ(bands.by_position[1].name, "128-255");
  EXPECT_EQ(bands.by_position[1].num_tokens, 1u);
  EXPECT_EQ(bands.by_position[2].name, "256-511");
  EXPECT_EQ(bands.by_position[2].num_tokens, 3u);
}

// Where a cache in few bits is read at length.
TEST(BandsTest, LongSequencesGoOnDoubling) {
  SmallStudy study;
  study.units[0].num_tokens = 8191 + 4;
  study.units[1].num_tokens = 70'000;
  const Bands bands = ReportOf(study).lanes[1].texts[0].bands;
  ASSERT_EQ(bands.by_position.size(), 3u);
  EXPECT_EQ(bands.by_position[0].name, "4096-8191");
  EXPECT_EQ(bands.by_position[0].num_tokens, 1u);
  EXPECT_EQ(bands.by_position[1].name, "8192-16383");
  EXPECT_EQ(bands.by_position[2].name, "65536+");
}

Answer Says(std::string text, std::vector<int32_t> tokens) {
  return {.text = std::move(text), .token_ids = std::move(tokens)};
}

TEST(ForkTest, TellsBothTokensInBothModels) {
  const Answer base = Says("It is Paris.", {5, 7});
  const Answer lane = Says("It is Lyon.", {5, 8, 9});
  const AnswerFork record{.position = 1,
                          .baseline_token_in_baseline = std::log(2.0),
                          .baseline_token_in_lane = std::log(4.0),
                          .lane_token_in_baseline = std::log(2.0) + 1,
                          .lane_token_in_lane = std::log(4.0) - 1};
  const std::optional<Fork> fork = FindFork(base, lane, &record);
  ASSERT_TRUE(fork.has_value());
  EXPECT_EQ(fork->position, 1u);
  EXPECT_EQ(fork->shared, "It is ");
  EXPECT_EQ(fork->baseline.text, "Paris.");
  EXPECT_EQ(fork->lane.text, "Lyon.");
  EXPECT_DOUBLE_EQ(*fork->baseline.baseline_probability, 0.5);
  EXPECT_DOUBLE_EQ(*fork->lane.baseline_probability, 0.5 * std::exp(-1.0));
  EXPECT_DOUBLE_EQ(*fork->baseline.lane_probability, 0.25);
  EXPECT_DOUBLE_EQ(*fork->lane.lane_probability, 0.25 * std::exp(1.0));
  EXPECT_EQ(fork->NearTie(), std::optional(false)) << "e^-1 of it is under half";
}

TEST(ForkTest, WhatIsNotRecordedIsAbsent) {
  const Answer base = Says("a", {5});
  const Answer lane = Says("ab", {5, 6});
  const std::optional<Fork> fork = FindFork(base, lane, nullptr);
  ASSERT_TRUE(fork.has_value());
  EXPECT_FALSE(fork->baseline.token.has_value()) << "it ended";
  EXPECT_EQ(fork->lane.token, std::optional(6));
  EXPECT_FALSE(fork->NearTie().has_value());
  EXPECT_FALSE(FindFork(base, base, nullptr).has_value());
}

TEST(ForkTest, TextIsCutBetweenCodePoints) {
  const Answer base = Says("\xC3\xA9", {1});
  const Answer lane = Says("\xC3\xA8", {2});
  EXPECT_EQ(FindFork(base, lane, nullptr)->baseline.text, "\xC3\xA9");
}

// A lane of this size (MB) and divergence in six articles, in which it is 10% less and 10% more by
// turns; `first` says whether it begins with less.
struct SomeLane {
  uint64_t megabytes;
  double kl;
  enum { kLess, kMore } first = kLess;
};

ReportData Study(const std::vector<SomeLane>& lanes) {
  ReportData report;
  report.manifest = SmallManifest();
  report.lanes.emplace_back().record = SmallLane(0);
  for (const auto& [megabytes, kl, first] : lanes) {
    LaneResult& lane = report.lanes.emplace_back();
    lane.record = SmallLane(report.lanes.size() - 1);
    lane.record.weight_bytes = megabytes * 1'000'000;
    TextResult text;
    text.kl = DivergenceSummary{};
    text.kl->mean.value = kl;
    text.kl->mean.interval = Interval{0.9 * kl, 1.1 * kl};
    for (uint32_t article = 0; article < 6; ++article) {
      const bool less = article % 2 == (first == SomeLane::kLess ? 0 : 1);
      text.clusters.push_back(
          {.cluster = article, .kl_sum = 10 * kl * (less ? 0.9 : 1.1), .kl_tokens = 10});
    }
    lane.texts.push_back(text);
  }
  return report;
}

TEST(ParetoTest, OnlyWhatIntervalsShowDominates) {
  // Lane 2 is larger and worse than lane 1; lane 3 cannot be told from lane 1.
  const std::vector<ParetoPoint> points =
      MakePareto(Study({{10, 0.1}, {12, 0.2}, {12, 0.105, SomeLane::kMore}}), Cost::kBytes);
  ASSERT_EQ(points.size(), 3u);
  EXPECT_FALSE(points[0].dominated_by.has_value());
  EXPECT_THAT(points[0].tied_with, ElementsAre(3u));
  EXPECT_EQ(points[1].dominated_by, std::optional<size_t>(1));
  EXPECT_FALSE(points[2].dominated_by.has_value());
}

TEST(ParetoTest, LanesAreComparedPairedByArticle) {
  // Each lane's own interval holds the other's mean; in every article the second is 5% worse.
  const ReportData report = Study({{10, 0.1}, {12, 0.105}});
  const std::optional<Estimate> difference =
      PairedKlDifference(report, report.lanes[2], report.lanes[1]);
  EXPECT_NEAR(difference->value, 0.005, 1e-15);
  EXPECT_GT(difference->interval->low, 0.004);
  const std::vector<ParetoPoint> points = MakePareto(report, Cost::kBytes);
  EXPECT_EQ(points[1].dominated_by, std::optional<size_t>(1));
  EXPECT_THAT(points[1].tied_with, IsEmpty());
}

TEST(ParetoTest, TooLittleTextOrdersNothing) {
  ReportData report = Study({{10, 0.1}, {12, 0.2}});
  for (LaneResult& lane : report.lanes) {
    for (TextResult& text : lane.texts) text.clusters.resize(3);
  }
  const std::vector<ParetoPoint> points = MakePareto(report, Cost::kBytes);
  EXPECT_FALSE(points[1].dominated_by.has_value());
  EXPECT_THAT(points[1].tied_with, ElementsAre(1u));
}

TEST(ParetoTest, SpeedCountsTheOtherWayRound) {
  ReportData report = Study({{10, 0.1}, {12, 0.2}});
  EXPECT_THAT(MakePareto(report, Cost::kDecodeSpeed), IsEmpty());
  report.lanes[1].decode_tokens_per_second = 50;
  report.lanes[2].decode_tokens_per_second = 80;
  const std::vector<ParetoPoint> points = MakePareto(report, Cost::kDecodeSpeed);
  EXPECT_FALSE(points[1].dominated_by.has_value()) << "worse, but faster";
  EXPECT_EQ(Standing(report, points[1]), "on the front");
}

AnswerResult Tokens(std::vector<int32_t> tokens, FinishReason finish) {
  AnswerResult result;
  result.answer.token_ids = std::move(tokens);
  result.answer.finish = finish;
  return result;
}

TEST(FailuresTest, AreSeenWithoutReading) {
  const AnswerResult whole = Tokens({1, 2, 3, 4, 5, 6, 7, 8}, FinishReason::kEos);
  EXPECT_TRUE(ShowsFailure(Tokens({}, FinishReason::kEos), whole, Failure::kEmpty));
  EXPECT_TRUE(ShowsFailure(Tokens({}, FinishReason::kError), whole, Failure::kError));
  EXPECT_FALSE(ShowsFailure(Tokens({}, FinishReason::kError), whole, Failure::kEmpty));
  EXPECT_TRUE(ShowsFailure(Tokens({1}, FinishReason::kLimit), whole, Failure::kLimit));
  EXPECT_TRUE(ShowsFailure(Tokens({1}, FinishReason::kEos), whole, Failure::kEndsEarly));
  EXPECT_FALSE(ShowsFailure(whole, whole, Failure::kEndsEarly));
  EXPECT_TRUE(ShowsFailure(Tokens(std::vector<int32_t>(40, 3), FinishReason::kLimit), whole,
                           Failure::kLoop));
}

// Of two answers the lane cuts both at the limit, the baseline one: half of the prompts are new.
TEST(FailuresTest, AreCountedBesideTheBaselines) {
  SmallStudy study;
  study.answers[2].finish = FinishReason::kLimit;
  const ReportData report = ReportOf(study);
  const auto limit = [&](size_t lane) {
    const std::vector<FailureCount>& failures = report.lanes[lane].suites[0].failures;
    return *std::ranges::find(failures, "limit", &FailureCount::id);
  };
  EXPECT_EQ(limit(0).num_answers, 1u);
  EXPECT_FALSE(limit(0).change.has_value());
  EXPECT_EQ(limit(1).num_answers, 2u);
  EXPECT_EQ(limit(1).num_new, 1u);
  EXPECT_EQ(limit(1).change, 0.5);
  const Interval tango = TangoInterval({.both = 1, .lane_only = 1});
  EXPECT_EQ(limit(1).change_interval->low, tango.low);
  EXPECT_FALSE(HardFailuresRose(report.lanes[1].suites[0], 0.05)) << "one of two shows nothing";
  const Table table = FailureTable(report, 0);
  ASSERT_EQ(table.columns.size(), 2u) << "kinds that no lane shows have no column";
  EXPECT_EQ(table.rows[1][1].value, "2/2");
  EXPECT_THAT(table.rows[1][1].note, HasSubstr("1 new; +50.0 ["));
}

TEST(FailuresTest, OutcomesAreCountedInPairs) {
  const ReportData report = ReportOf(SmallStudy());
  const PairedTable table = report.lanes[1].suites[0].counts.Outcomes();
  EXPECT_EQ(table.base_only, 2u);
  EXPECT_EQ(table.Total(), 2u);
  const Table outcomes = OutcomeTable(report, 0);
  ASSERT_EQ(outcomes.rows.size(), 2u);
  EXPECT_EQ(outcomes.rows[0][1].value, "2/2");
  EXPECT_EQ(outcomes.rows[1][2].value, "2/2");
  EXPECT_EQ(outcomes.rows[1][5].value, "-100.0");
}

TEST(HeatMapTest, LevelsAreTwoToAPowerOfTen) {
  EXPECT_EQ(HeatLevel(0), 0);
  EXPECT_EQ(HeatLevel(0.00009), 0);
  EXPECT_EQ(HeatLevel(0.0002), 1);
  EXPECT_EQ(HeatLevel(0.0004), 2);
  EXPECT_EQ(HeatLevel(0.5), 8);
  EXPECT_EQ(HeatLevel(20), 8);
  EXPECT_EQ(HeatLevel(-1), 0);
}

TEST(ChartDataTest, NothingInItEndsTheScriptElement) {
  ReportData report = Study({{10, 0.1}});
  report.lanes[1].record.scheme = "</script><script>alert(1)</script>\xFF";
  const std::string json = ScatterJson(report, Timings::kInclude);
  EXPECT_THAT(json, Not(HasSubstr("<")));
  EXPECT_THAT(ParseJson(json).value()["points"][0]["lane"].get<std::string>(),
              HasSubstr("</script>"));
}

TEST(ChartDataTest, SpeedsAreLeftOutWithTheTimings) {
  ReportData report = Study({{10, 0.1}});
  report.lanes[0].decode_tokens_per_second = 70;
  report.lanes[1].decode_tokens_per_second = 50;
  EXPECT_THAT(ScatterJson(report, Timings::kInclude), HasSubstr("\"speed\""));
  EXPECT_THAT(ScatterJson(report, Timings::kOmit), Not(HasSubstr("speed")));
}

}  // namespace
}  // namespace bitloss

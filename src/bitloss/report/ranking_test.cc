// Lanes compared with each other, and the one to take.
#include "bitloss/report/ranking.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bitloss/report/paired_kl.h"
#include "bitloss/report/ranking_tables.h"
#include "bitloss/report/recommend.h"
#include "bitloss/stats/clustered_mean.h"
#include "bitloss/store/test_study.h"

namespace bitloss {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A lane with its mean KL in each of eight articles of ten tokens.
struct SomeLane {
  uint64_t megabytes;
  std::vector<double> kl;
  double agreement = 0.99;
};

std::vector<double> Around(double kl, double scatter) {
  std::vector<double> articles;
  for (int i = 0; i < 8; ++i) articles.push_back(kl + (i % 2 == 0 ? scatter : -scatter));
  return articles;
}

ReportData Study(const std::vector<SomeLane>& lanes) {
  ThreadPool threads(1);
  ReportData report;
  report.complete = true;
  report.manifest = SmallManifest();
  report.lanes.emplace_back().record = SmallLane(0);
  for (const SomeLane& some : lanes) {
    LaneResult& lane = report.lanes.emplace_back();
    lane.record = SmallLane(report.lanes.size() - 1);
    lane.record.weight_bytes = some.megabytes * 1'000'000;
    TextResult text;
    std::vector<ClusterSum> sums;
    for (uint32_t article = 0; article < some.kl.size(); ++article) {
      const double agreements = 1000 * some.agreement + (article % 2 == 0 ? 2 : -2);
      text.clusters.push_back({.cluster = article,
                               .kl_sum = 1000 * some.kl[article],
                               .kl_tokens = 1000,
                               .top1_agreements = agreements});
      sums.push_back({1000 * some.kl[article], 1000});
    }
    text.kl = DivergenceSummary{};
    text.kl->mean = ClusteredMean(std::span<const ClusterSum>(sums), threads);
    lane.texts.push_back(text);
  }
  return report;
}

TEST(RankingTest, OrdersWhatIntervalsOfPairsShow) {
  // Lane 3 is closest, 1 and 2 cannot be told apart, 4 is last.
  const ReportData report = Study({{10, Around(0.020, 0.004)},
                                   {9, Around(0.021, -0.004)},
                                   {20, Around(0.001, 0.0001)},
                                   {5, Around(0.3, 0.01)}});
  const Ranking ranking = RankLanes(report);
  ASSERT_EQ(ranking.lanes.size(), 4u);
  std::vector<size_t> order;
  std::vector<std::string> groups;
  for (const RankedLane& lane : ranking.lanes) {
    order.push_back(lane.lane);
    groups.push_back(lane.groups);
  }
  EXPECT_THAT(order, ElementsAre(3, 1, 2, 4));
  EXPECT_THAT(groups, ElementsAre("a", "b", "b", "c"));
  EXPECT_EQ(ranking.lanes[1].first_place, 2u);
  EXPECT_EQ(ranking.lanes[1].last_place, 3u);
  EXPECT_EQ(ranking.pairs.size(), 6u);
  EXPECT_DOUBLE_EQ(ranking.confidence, 1 - 0.05 / 6);
  EXPECT_TRUE(ranking.IsCloser(3, 4));
  EXPECT_FALSE(ranking.IsCloser(4, 3));
  EXPECT_FALSE(ranking.IsCloser(3, 3));
  EXPECT_THAT(RankingCaption(report, ranking), HasSubstr("at 99.17% for each of 6 pairs"));
  EXPECT_EQ(RankingTable(report, ranking).rows[1][1].value, "2-3");
}

// A middle lane that neither neighbour can be told from, though they can from each other.
TEST(RankingTest, ALaneMayBelongToTwoGroups) {
  const ReportData report =
      Study({{10, Around(0.100, 0.001)}, {10, Around(0.104, 0.006)}, {10, Around(0.108, 0.001)}});
  const Ranking ranking = RankLanes(report);
  EXPECT_EQ(ranking.lanes[0].groups, "a");
  EXPECT_EQ(ranking.lanes[1].groups, "ab");
  EXPECT_EQ(ranking.lanes[2].groups, "b");
  EXPECT_EQ(ranking.lanes[1].first_place, 1u);
  EXPECT_EQ(ranking.lanes[1].last_place, 3u);
}

// What 95% alone would show is not shown when it is one of ten pairs.
TEST(RankingTest, IntervalsAreAdjustedForTheFamily) {
  const std::vector<SomeLane> two = {{10, Around(0.100, 0.0)}, {10, Around(0.1028, 0.003)}};
  EXPECT_TRUE(RankLanes(Study(two)).IsCloser(1, 2));
  std::vector<SomeLane> five = two;
  for (const double kl : {0.2, 0.3, 0.4}) five.push_back({10, Around(kl, 0.001)});
  const Ranking ranking = RankLanes(Study(five));
  EXPECT_FALSE(ranking.IsCloser(1, 2));
  EXPECT_EQ(ranking.lanes[0].groups, ranking.lanes[1].groups);
}

TEST(RankingTest, ControlsAndLanesWithErrorsAreNotRanked) {
  ReportData report = Study({{10, Around(0.1, 0.01)}, {10, Around(0.2, 0.01)}});
  report.lanes[1].record.control = true;
  report.lanes[2].error = "quantization did not engage";
  EXPECT_THAT(RankLanes(report).lanes, IsEmpty());
}

Recommendation Asked(const ReportData& report, const Wish& wish) {
  ThreadPool threads(1);
  return Recommend(report, wish, threads);
}

const std::vector<SomeLane> kThree = {{70, Around(0.004, 0.0004), 0.97},
                                      {45, Around(0.09, 0.004), 0.87},
                                      {40, Around(0.4, 0.02), 0.72}};

TEST(RecommendTest, WithinASizeTheClosestIsNamed) {
  const ReportData report = Study(kThree);
  const Recommendation all = Asked(report, {.max_bytes = 100'000'000});
  EXPECT_EQ(all.outcome, Recommendation::Outcome::kNamed);
  EXPECT_EQ(all.lane, 1u);
  const Recommendation small = Asked(report, {.max_bytes = 45'000'000});
  EXPECT_EQ(small.lane, 2u);
  EXPECT_THAT(small.lanes[0].reason, HasSubstr("70.00 MB are more than 45.00"));
  const Recommendation none = Asked(report, {.max_bytes = 39'999'999});
  EXPECT_EQ(none.outcome, Recommendation::Outcome::kNoneFits);
  EXPECT_FALSE(none.lane.has_value());
}

TEST(RecommendTest, WithinABoundTheSmallestThatIsShownToHoldItIsNamed) {
  const ReportData report = Study(kThree);
  EXPECT_EQ(Asked(report, {.max_kl = 0.2}).lane, 2u);
  EXPECT_EQ(Asked(report, {.max_kl = 0.01}).lane, 1u);
  EXPECT_EQ(Asked(report, {.min_same_top1 = 0.8}).lane, 2u);
  EXPECT_EQ(Asked(report, {.max_kl = 0.2, .min_same_top1 = 0.9}).lane, 1u);
  EXPECT_EQ(Asked(report, {.max_bytes = 50'000'000, .max_kl = 0.01}).outcome,
            Recommendation::Outcome::kNoneFits);
}

// A bound inside an interval is neither held nor broken.
TEST(RecommendTest, ABoundInsideAnIntervalIsOpen) {
  const ReportData report = Study(kThree);
  const Recommendation open = Asked(report, {.max_bytes = 50'000'000, .max_kl = 0.0905});
  EXPECT_EQ(open.outcome, Recommendation::Outcome::kCannotTell);
  EXPECT_FALSE(open.lane.has_value());
  EXPECT_THAT(open.sentence, HasSubstr("of nf4-2 the data leave it open"));
  const Recommendation larger = Asked(report, {.max_kl = 0.0905});
  EXPECT_EQ(larger.lane, 1u);
  EXPECT_THAT(larger.sentence, HasSubstr("of the smaller nf4-2 the data leave it open"));
}

TEST(RecommendTest, LanesThatCannotBeToldApartAreAllNamed) {
  const ReportData report = Study({{50, Around(0.020, 0.004)}, {40, Around(0.021, -0.004)}});
  const Recommendation both = Asked(report, {.max_bytes = 60'000'000});
  EXPECT_EQ(both.outcome, Recommendation::Outcome::kCannotTell);
  EXPECT_EQ(both.sentence,
            "nf4-1, nf4-2 fit and cannot be told apart; the smallest of them is nf4-2");
}

TEST(RecommendTest, WithoutTextNothingIsShown) {
  ReportData report = Study(kThree);
  for (LaneResult& lane : report.lanes) lane.texts.clear();
  EXPECT_EQ(Asked(report, {.max_kl = 0.2}).outcome, Recommendation::Outcome::kCannotTell);
}

}  // namespace
}  // namespace bitloss

#include "bitloss/stats/pooling.h"

#include <gtest/gtest.h>

namespace bitloss {
namespace {

TEST(PoolingTest, ThePriorByHand) {
  // Shares 0, 1/2, 1 of 8 each: mean 1/2, variance 1/6, binomial part (1/4) / 8 = 1/32; left
  // 13/96, weight (1/4) / (13/96) - 1 = 11/13, raised to 1.
  const std::vector<GroupCount> apart = {{0, 8}, {4, 8}, {8, 8}};
  EXPECT_DOUBLE_EQ(FitBetaPrior(apart).mean, 0.5);
  EXPECT_DOUBLE_EQ(FitBetaPrior(apart).weight, 1.0);
  // Shares 1/8, 3/8, 5/8: mean 3/8, variance 1/24, binomial part (15/64) / 8; left 19/1536,
  // weight (15/64) / (19/1536) - 1 = 341/19.
  const std::vector<GroupCount> near = {{1, 8}, {3, 8}, {5, 8}};
  EXPECT_NEAR(FitBetaPrior(near).weight, 341.0 / 19, 1e-12);
}

TEST(PoolingTest, GroupsThatDoNotDifferAreOne) {
  const std::vector<GroupCount> groups = {{2, 8}, {2, 8}, {2, 8}};
  EXPECT_DOUBLE_EQ(FitBetaPrior(groups).weight, 24.0);
  for (const PooledProportion& pooled : PoolProportions(groups)) {
    EXPECT_DOUBLE_EQ(pooled.value, 0.25);
  }
}

TEST(PoolingTest, GroupsAreDrawnTowardsTheMeanAndSmallOnesMore) {
  const std::vector<GroupCount> groups = {{4, 4}, {16, 16}, {2, 16}, {6, 16}};
  const auto pooled = PoolProportions(groups);
  const double mean = FitBetaPrior(groups).mean;
  EXPECT_LT(pooled[0].value, 1.0);
  EXPECT_GT(pooled[0].value, mean);
  EXPECT_GT(pooled[1].value, pooled[0].value);
  EXPECT_GT(pooled[2].value, 2.0 / 16);
  for (const PooledProportion& one : pooled) {
    EXPECT_LT(one.interval.low, one.value);
    EXPECT_GT(one.interval.high, one.value);
  }
}

TEST(PoolingTest, TheIntervalIsTheBetaPosteriors) {
  // Prior weight 24 at 1/4: Beta(2 + 6, 6 + 18). scipy.stats.beta.ppf([0.025, 0.975], 8, 24).
  const std::vector<GroupCount> groups = {{2, 8}, {2, 8}, {2, 8}};
  const PooledProportion pooled = PoolProportions(groups)[0];
  EXPECT_NEAR(pooled.interval.low, 0.11856399582955109, 1e-12);
  EXPECT_NEAR(pooled.interval.high, 0.41096386613867336, 1e-12);
}

TEST(PoolingTest, NoEventAtAllIsNotCertainty) {
  const std::vector<GroupCount> groups = {{0, 8}, {0, 8}};
  EXPECT_DOUBLE_EQ(FitBetaPrior(groups).mean, 0.5 / 17);
  const PooledProportion pooled = PoolProportions(groups)[0];
  EXPECT_DOUBLE_EQ(pooled.value, 16 * 0.5 / 17 / 24);
  EXPECT_GT(pooled.interval.high, 0.05);
}

}  // namespace
}  // namespace bitloss

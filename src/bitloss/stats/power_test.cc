// Against the figures that the methodology derived for suites of 8 and 96 prompts.
#include "bitloss/stats/power.h"

#include <gtest/gtest.h>

namespace bitloss {
namespace {

TEST(PowerTest, FlipsThatAllGoOneWay) {
  EXPECT_EQ(SmallestOneWayFlips(0.05), 6u);
  EXPECT_EQ(SmallestOneWayFlips(0.05 / 12), 9u);  // impossible with 8 prompts
  EXPECT_EQ(SmallestOneWayFlips(0.05 / 36), 11u);
}

TEST(PowerTest, ACategoryOfEightSeesAlmostNothing) {
  EXPECT_NEAR(McNemarPower(8, 0.50, 0.05, 0.05), 0.12, 0.005);
  EXPECT_FALSE(SmallestResolvableDrop(8, 0.0, 0.05 / 12).has_value());
}

TEST(PowerTest, TwoPromptsByHand) {
  // p = 2 / 2^2 = 0.5 when both regress (or both recover): 0.3^2 + 0.1^2.
  EXPECT_NEAR(McNemarPower(2, 0.3, 0.1, 0.5), 0.09 + 0.01, 1e-12);
  EXPECT_EQ(McNemarPower(2, 0.3, 0.1, 0.4), 0.0);
}

TEST(PowerTest, ItemsForEightyPercent) {
  struct Row {
    double regression;
    double alpha;
    uint64_t items;
  };
  for (const Row& row :
       {Row{0.2, 0.05, 54}, Row{0.3, 0.05, 32}, Row{0.5, 0.05, 17}, Row{0.2, 0.05 / 12, 89},
        Row{0.3, 0.05 / 12, 51}, Row{0.5, 0.05 / 12, 26}}) {
    EXPECT_GE(McNemarPower(row.items, row.regression, 0.02, row.alpha), 0.80) << row.items;
    EXPECT_LT(McNemarPower(row.items - 1, row.regression, 0.02, row.alpha), 0.80) << row.items;
  }
}

TEST(PowerTest, TheDropThatAWholeSuiteResolves) {
  // In whole points 8, 12, 15 and 18 for recoveries of 0, 2, 5 and 10%.
  EXPECT_NEAR(SmallestResolvableDrop(96, 0.00, 0.05).value(), 0.08, 0.01);
  EXPECT_NEAR(SmallestResolvableDrop(96, 0.02, 0.05).value(), 0.12, 0.01);
  EXPECT_NEAR(SmallestResolvableDrop(96, 0.05, 0.05).value(), 0.15, 0.01);
  EXPECT_NEAR(SmallestResolvableDrop(96, 0.10, 0.05).value(), 0.18, 0.01);
}

TEST(PowerTest, AMeanByStudentsT) {
  // t_{0.975, 11} = 2.200985, t_{0.8, 11} = 0.875530.
  EXPECT_NEAR(SmallestResolvableMean(0.01, 11, 0.05), 0.01 * (2.200985 + 0.875530), 1e-7);
}

}  // namespace
}  // namespace bitloss

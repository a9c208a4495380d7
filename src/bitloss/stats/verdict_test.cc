#include "bitloss/stats/verdict.h"

#include <gtest/gtest.h>

namespace bitloss {
namespace {

constexpr double kMargin = 0.05;

TEST(VerdictTest, HarmIsShownOnlyWhenTheWholeIntervalIsBeyondTheMargin) {
  // The reference example: NF4's +0.157 nats/token, 0.14 to 0.17.
  EXPECT_EQ(Judge({{0.14, 0.17}, 0.168}, kMargin), Verdict::kHarm);
  EXPECT_EQ(Judge({{0.05, 0.17}, 0.16}, kMargin), Verdict::kNotResolved);
  EXPECT_EQ(Judge({{0.04, 0.17}, 0.16}, kMargin), Verdict::kNotResolved);
}

TEST(VerdictTest, HarmThatIsThereAndBelowTheMarginIsSmall) {
  EXPECT_EQ(Judge({{0.001, 0.049}, 0.045}, kMargin), Verdict::kSmallHarm);
}

TEST(VerdictTest, EquivalenceNeedsABoundBelowTheMarginNotAnIntervalAroundZero) {
  EXPECT_EQ(Judge({{-0.01, 0.03}, 0.02}, kMargin), Verdict::kEquivalent);
  // The adjusted interval may cross the margin where the one-sided bound does not.
  EXPECT_EQ(Judge({{-0.01, 0.06}, 0.049}, kMargin), Verdict::kEquivalent);
  EXPECT_EQ(Judge({{-0.01, 0.06}, 0.05}, kMargin), Verdict::kNotResolved);
  EXPECT_EQ(Judge({{-0.02, 0.09}, 0.08}, kMargin), Verdict::kNotResolved);
}

TEST(VerdictTest, AGainIsNoHarmAndIsNotCalledMore) {
  EXPECT_EQ(Judge({{-0.3, -0.2}, -0.21}, kMargin), Verdict::kEquivalent);
}

}  // namespace
}  // namespace bitloss

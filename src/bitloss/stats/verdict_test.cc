#include "bitloss/stats/verdict.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace bitloss {
namespace {

constexpr double kMargin = 0.05;

TEST(VerdictTest, HarmIsShownOnlyWhenTheWholeIntervalIsBeyondTheMargin) {
  // The reference example: NF4's +0.157 nats/token, 0.14 to 0.17.
  EXPECT_EQ(Judge({{0.14, 0.17}, 0.168, 0.142}, kMargin), Verdict::kHarm);
  EXPECT_EQ(Judge({{0.05, 0.17}, 0.16, 0.06}, kMargin), Verdict::kNotResolved);
  EXPECT_EQ(Judge({{0.04, 0.17}, 0.16, 0.05}, kMargin), Verdict::kNotResolved);
}

TEST(VerdictTest, HarmThatIsThereAndBelowTheMarginIsSmall) {
  EXPECT_EQ(Judge({{0.001, 0.049}, 0.045, 0.005}, kMargin), Verdict::kSmallHarm);
}

TEST(VerdictTest, EquivalenceNeedsBothBoundsWithinTheMargin) {
  EXPECT_EQ(Judge({{-0.01, 0.03}, 0.02, 0.0}, kMargin), Verdict::kEquivalent);
  // The adjusted interval may cross the margin where the one-sided bound does not.
  EXPECT_EQ(Judge({{-0.01, 0.06}, 0.049, 0.0}, kMargin), Verdict::kEquivalent);
  EXPECT_EQ(Judge({{-0.01, 0.06}, 0.05, 0.0}, kMargin), Verdict::kNotResolved);
  EXPECT_EQ(Judge({{-0.02, 0.09}, 0.08, -0.01}, kMargin), Verdict::kNotResolved);
  EXPECT_EQ(Judge({{-0.09, 0.02}, 0.01, -0.08}, kMargin), Verdict::kNotWorse);
}

TEST(VerdictTest, ALaneThatGainsIsChanged) {
  EXPECT_EQ(Judge({{-0.3, -0.2}, -0.21, -0.29}, kMargin), Verdict::kGain);
  EXPECT_EQ(Judge({{-0.03, -0.01}, -0.012, -0.028}, kMargin), Verdict::kEquivalent);
}

// Intervals over a grid of effects and widths: what each word claims is in its interval, and words
// follow each other as the effect grows.
TEST(VerdictTest, SaysOfEveryIntervalWhatTheIntervalSays) {
  for (int width = 1; width <= 20; ++width) {
    int rank = -1;
    for (int effect = -40; effect <= 40; ++effect) {
      const double half = 0.01 * width;
      const double value = 0.005 * effect;
      const Interval interval{value - half, value + half};
      const double bound = 0.8 * half;
      const Verdict verdict = Judge({interval, value + bound, value - bound}, kMargin);
      SCOPED_TRACE(Name(verdict));
      EXPECT_EQ(verdict == Verdict::kHarm, interval.low > kMargin);
      EXPECT_EQ(verdict == Verdict::kSmallHarm, interval.low > 0 && value + bound < kMargin);
      if (verdict == Verdict::kEquivalent) {
        EXPECT_LT(std::abs(value) + bound, kMargin);
      }
      if (verdict == Verdict::kGain) {
        EXPECT_LT(interval.high, 0);
      }
      if (verdict == Verdict::kNotWorse) {
        EXPECT_LT(value + bound, kMargin);
      }
      if (verdict == Verdict::kNotResolved) {
        EXPECT_LE(interval.low, kMargin);
        EXPECT_GE(value + bound, kMargin);
      }
      const Verdict order[] = {Verdict::kGain,      Verdict::kNotWorse,    Verdict::kEquivalent,
                               Verdict::kSmallHarm, Verdict::kNotResolved, Verdict::kHarm};
      const auto place = static_cast<int>(std::ranges::find(order, verdict) - order);
      EXPECT_GE(place, rank);
      rank = place;
    }
  }
}

}  // namespace
}  // namespace bitloss

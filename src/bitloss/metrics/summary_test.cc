#include "bitloss/metrics/summary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace bitloss {
namespace {

TEST(PercentileTest, InterpolatesBetweenTheNeighboursOfItsRank) {
  const std::vector<double> sorted = {10, 20, 40, 80};
  EXPECT_EQ(Percentile(sorted, 0), 10);
  EXPECT_EQ(Percentile(sorted, 1), 80);
  EXPECT_EQ(Percentile(sorted, 0.5), 30);   // rank 1.5
  EXPECT_EQ(Percentile(sorted, 0.75), 50);  // rank 2.25
  EXPECT_EQ(Percentile(std::vector<double>{7}, 0.99), 7);
}

// 0, 1, ..., 100: rank and value are the same.
TEST(SummarizeTest, GivesTheNumbersOfARamp) {
  std::vector<double> ramp;
  for (int i = 100; i >= 0; --i) ramp.push_back(i);
  const Summary s = Summarize(ramp);
  EXPECT_EQ(s.count, 101u);
  EXPECT_EQ(s.mean, 50);
  EXPECT_EQ(s.median, 50);
  EXPECT_EQ(s.p90, 90);
  EXPECT_EQ(s.p95, 95);
  EXPECT_EQ(s.p99, 99);
  EXPECT_NEAR(s.p999, 99.9, 1e-12);
  EXPECT_EQ(s.max, 100);
  // sum (i - 50)^2 = 2 * 42925 over 100.
  EXPECT_NEAR(s.standard_deviation, std::sqrt(858.5), 1e-13);
}

TEST(SummarizeTest, SaysWhatTheLargestPercentCarries) {
  std::vector<double> values(200, 1.0);
  values[17] = 101;
  values[90] = 101;
  EXPECT_EQ(Summarize(values).top_percent_share, 202.0 / 400.0);
  EXPECT_EQ(Summarize(std::vector<double>{0, 0}).top_percent_share, 0);
  EXPECT_EQ(Summarize(std::vector<double>{1, 3}).top_percent_share, 0.75);
}

TEST(SummarizeTest, LetsAnInfiniteValueShowInTheMeanAndNotInTheMedian) {
  const double infinity = std::numeric_limits<double>::infinity();
  const Summary s = Summarize(std::vector<double>{1, infinity, 2});
  EXPECT_EQ(s.mean, infinity);
  EXPECT_EQ(s.median, 2);
  EXPECT_EQ(s.max, infinity);
  EXPECT_EQ(s.top_percent_share, 1);
}

TEST(SummarizeTest, TakesASingleValue) {
  const Summary s = Summarize(std::vector<double>{0.25});
  EXPECT_EQ(s.mean, 0.25);
  EXPECT_EQ(s.standard_deviation, 0);
  EXPECT_EQ(s.p999, 0.25);
}

}  // namespace
}  // namespace bitloss

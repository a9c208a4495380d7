#include "bitloss/stats/clustered_quantile.h"

#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bitloss/json/parse.h"
#include "bitloss/stats/distributions.h"

namespace bitloss {
namespace {

using nlohmann::json;

constexpr double kMedian[] = {0.5};

std::vector<ClusterValue> OneEach(size_t n) {
  std::vector<ClusterValue> values;
  for (size_t i = 0; i < n; ++i)
    values.push_back({static_cast<double>(i), static_cast<uint32_t>(i)});
  return values;
}

// P(X >= at_least) of Binomial(n, p).
double BinomialTail(int n, int at_least, double p) {
  double tail = 0;
  for (int k = at_least; k <= n; ++k) {
    tail += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1)) *
            std::pow(p, k) * std::pow(1 - p, n - k);
  }
  return tail;
}

TEST(ClusteredQuantileTest, InterpolatesBetweenNeighbours) {
  ThreadPool threads(1);
  std::vector<ClusterValue> values = {{4, 0}, {1, 0}, {2, 0}, {8, 0}};
  constexpr double kFractions[] = {0, 0.5, 0.9, 1};
  const std::vector<Estimate> found = ClusteredQuantiles(values, kFractions, threads);
  EXPECT_DOUBLE_EQ(found[0].value, 1);
  EXPECT_DOUBLE_EQ(found[1].value, 3);
  EXPECT_DOUBLE_EQ(found[2].value, 4 + 0.7 * 4);
  EXPECT_DOUBLE_EQ(found[3].value, 8);
  EXPECT_FALSE(found[1].interval.has_value()) << "one cluster says nothing of others";
}

TEST(ClusteredQuantileTest, ValuesAgreeWithNumpys) {
  const json golden =
      ReadJsonFile(BITLOSS_SOURCE_DIR "/src/bitloss/stats/testdata/stats.json").value();
  ThreadPool threads(1);
  for (const json& c : golden["quantiles"]) {
    std::vector<ClusterValue> values;
    for (const double value : c["values"]) values.push_back({value, 0});
    const std::vector<double> fractions = c["fractions"];
    const std::vector<Estimate> found = ClusteredQuantiles(values, fractions, threads);
    for (size_t f = 0; f < fractions.size(); ++f) {
      EXPECT_NEAR(found[f].value, c["quantiles"][f], 1e-10);
    }
  }
}

// Efron's classic: the median of n = 21 values, drawn again, is at most the k-th smallest as often
// as Binomial(21, k / 21) reaches 11.
TEST(ClusteredQuantileTest, TheBootstrapOfAMedianIsBinomial) {
  ThreadPool threads(2);
  std::vector<ClusterValue> values = OneEach(21);
  const MeanOptions options = {.num_resamples = 40'000};
  const Estimate median = ClusteredQuantiles(values, kMedian, threads, options)[0];
  EXPECT_DOUBLE_EQ(median.value, 10);
  ASSERT_TRUE(median.interval.has_value());
  // The least k with P(median <= k-th) above the tail's probability is where the interval ends.
  const double tail = (1 - ExpandedConfidence(0.95, 21)) / 2;
  int low = 1;
  while (BinomialTail(21, 11, low / 21.0) <= tail) ++low;
  int high = 1;
  while (BinomialTail(21, 11, high / 21.0) <= 1 - tail) ++high;
  EXPECT_DOUBLE_EQ(median.interval->low, low - 1);
  EXPECT_DOUBLE_EQ(median.interval->high, high - 1);
}

// With clusters that each hold every value, all resamples are alike.
TEST(ClusteredQuantileTest, KnowsWhatClustersHaveInCommon) {
  ThreadPool threads(2);
  std::vector<ClusterValue> values;
  for (uint32_t cluster = 0; cluster < 12; ++cluster) {
    for (int i = 0; i < 300; ++i) values.push_back({std::exp(i / 100.0), cluster});
  }
  const Estimate p99 = ClusteredQuantiles(values, std::array{0.99}, threads)[0];
  EXPECT_DOUBLE_EQ(p99.interval->low, p99.interval->high);

  // With one value to a cluster, the median can be any of them.
  for (size_t i = 0; i < values.size(); ++i) values[i].value = values[i].cluster;
  const Estimate median = ClusteredQuantiles(values, kMedian, threads)[0];
  EXPECT_LE(median.interval->low, 3);
  EXPECT_GE(median.interval->high, 8);
}

TEST(ClusteredQuantileTest, HasNoIntervalBelowSixEffectiveClusters) {
  ThreadPool threads(1);
  std::vector<ClusterValue> five = OneEach(5);
  EXPECT_FALSE(ClusteredQuantiles(five, kMedian, threads)[0].interval);
  std::vector<ClusterValue> six = OneEach(6);
  EXPECT_TRUE(ClusteredQuantiles(six, kMedian, threads)[0].interval);
}

// With two clusters t has one degree of freedom, tan(0.475 pi) = 12.706, and sqrt(2) times that is
// 17.97 standard deviations; with very many nothing is left to make good.
TEST(ExpandedConfidenceTest, WidensForFewClustersAndNotForMany) {
  EXPECT_NEAR(ExpandedConfidence(0.95, 1e9), 0.95, 1e-8);
  EXPECT_NEAR(ExpandedConfidence(0.95, 2.0), 1.0, 1e-15);
  // t of 29 degrees: 2.045230; times sqrt(30 / 29) 2.080193; P(|Z| <= that) = 0.962491.
  EXPECT_NEAR(ExpandedConfidence(0.95, 30), std::erf(2.045229642132703 * std::sqrt(30.0 / 58.0)),
              1e-13);
}

TEST(ClusteredQuantileTest, HasTheSameBitsForAnyNumberOfThreads) {
  std::vector<ClusterValue> values;
  for (uint32_t i = 0; i < 5000; ++i) values.push_back({std::sin(i * 1.7) + i % 7, i % 31});
  constexpr double kFractions[] = {0.5, 0.99};
  ThreadPool one(1);
  ThreadPool three(3);
  const auto a = ClusteredQuantiles(values, kFractions, one);
  const auto b = ClusteredQuantiles(values, kFractions, three);
  for (size_t f = 0; f < 2; ++f) {
    EXPECT_EQ(a[f].interval->low, b[f].interval->low);
    EXPECT_EQ(a[f].interval->high, b[f].interval->high);
  }
}

}  // namespace
}  // namespace bitloss

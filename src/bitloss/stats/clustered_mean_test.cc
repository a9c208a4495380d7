#include "bitloss/stats/clustered_mean.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "bitloss/stats/distributions.h"

namespace bitloss {
namespace {

using nlohmann::json;

// Written by tools/golden/stats.py; it names the programs and their versions.
const json& Golden() {
  static const json golden =
      json::parse(std::ifstream(BITLOSS_SOURCE_DIR "/src/bitloss/stats/testdata/stats.json"));
  return golden;
}

void ExpectClose(double actual, double expected) {
  EXPECT_NEAR(actual, expected, 1e-10 * std::max(1.0, std::abs(expected)));
}

std::vector<ClusterSum> ClustersOf(const json& golden) {
  std::vector<ClusterSum> clusters;
  for (size_t i = 0; i < golden["sums"].size(); ++i) {
    clusters.push_back({golden["sums"][i], golden["counts"][i]});
  }
  return clusters;
}

std::vector<UnitSum> UnitsOf(const json& golden) {
  std::vector<UnitSum> units;
  for (uint32_t i = 0; i < golden["sums"].size(); ++i) {
    units.push_back({i, golden["sums"][i], golden["counts"][i]});
  }
  return units;
}

// `size` clusters with their own means, two units each.
std::vector<UnitSum> SomeUnits(uint32_t size) {
  std::vector<UnitSum> units;
  for (uint32_t i = 0; i < size; ++i) {
    units.push_back({i, 0.1 * (i * 7919 % 101), 50 + i % 9});
    units.push_back({i, 0.2 * (i * 104729 % 97), 40 + i % 5});
  }
  return units;
}

TEST(DistributionsTest, AgreeWithScipy) {
  for (const json& c : Golden()["distributions"]["t"]) {
    ExpectClose(StudentTQuantile(c["p"], c["degrees"]), c["quantile"]);
  }
  for (const json& c : Golden()["distributions"]["t_cdf"]) {
    ExpectClose(StudentTCdf(c["t"], c["degrees"]), c["cdf"]);
  }
  for (const json& c : Golden()["distributions"]["normal"]) {
    ExpectClose(NormalQuantile(c["p"]), c["quantile"]);
    ExpectClose(NormalCdf(c["quantile"]), c["p"]);
  }
}

TEST(ClusteredMeanTest, AgreesWithAstropysJackknifeAndScipysT) {
  ThreadPool threads(1);
  for (const json& c : Golden()["clustered_means"]) {
    const BootstrapOptions never = {.min_effective_clusters = 1e9};
    const Estimate e = ClusteredMean(UnitsOf(c), threads, never);
    ExpectClose(e.value, c["value"]);
    ExpectClose(e.effective_clusters, c["effective_clusters"]);
    ASSERT_TRUE(e.interval && e.standard_error);
    ExpectClose(*e.standard_error, c["standard_error"]);
    ExpectClose(e.interval->low, c["t_low"]);
    ExpectClose(e.interval->high, c["t_high"]);
    EXPECT_EQ(e.method, IntervalMethod::kJackknifeT);
  }
}

TEST(BcaIntervalTest, AgreesWithScipyOnTheSameResamples) {
  int num_compared = 0;
  for (const json& c : Golden()["clustered_means"]) {
    if (!c.contains("bca")) continue;
    const std::vector<ClusterSum> clusters = ClustersOf(c);
    const std::vector<double> resamples = c["resamples"];
    for (const json& expected : c["bca"]) {
      const auto interval =
          BcaInterval(resamples, c["value"], LeaveOneOut(clusters), expected["confidence"]);
      ASSERT_TRUE(interval);
      ExpectClose(interval->low, expected["low"]);
      ExpectClose(interval->high, expected["high"]);
      ++num_compared;
    }
  }
  EXPECT_EQ(num_compared, 9);
}

TEST(BcaIntervalTest, GivesNoneIfEveryResampleLiesOnOneSide) {
  const std::vector<double> resamples = {1, 2, 3};
  const std::vector<double> leave_one_out = {0.4, 0.5, 0.6};
  EXPECT_FALSE(BcaInterval(resamples, 0.5, leave_one_out, 0.95));
  EXPECT_TRUE(BcaInterval(resamples, 2, leave_one_out, 0.95));
}

// Two clusters, (s, n) = (1, 2) and (4, 2): ratio 5/4, without the first 2, without the second
// 1/2. Jackknife: sqrt(1/2 * 2 * 0.75^2) = 0.75.
TEST(ClusteredMeanTest, GivesTheNumbersDoneByHand) {
  ThreadPool threads(1);
  const std::vector<UnitSum> units = {{7, 1.0, 2}, {3, 3.0, 1}, {3, 1.0, 1}};
  const Estimate e = ClusteredMean(units, threads);
  EXPECT_EQ(e.value, 1.25);
  EXPECT_EQ(e.num_clusters, 2u);
  EXPECT_EQ(e.effective_clusters, 2.0);
  EXPECT_EQ(*e.standard_error, 0.75);
  // t with one degree of freedom at 97.5 %: tan(0.475 pi) = 12.7062...
  EXPECT_NEAR(e.interval->high, 1.25 + 0.75 * 12.706204736174698, 1e-12);
}

TEST(ClusteredMeanTest, GivesAValueAndNoIntervalForOneCluster) {
  ThreadPool threads(1);
  const Estimate e = ClusteredMean(std::vector<UnitSum>{{5, 3.0, 4}, {5, 1.0, 4}}, threads);
  EXPECT_EQ(e.value, 0.5);
  EXPECT_EQ(e.num_clusters, 1u);
  EXPECT_EQ(e.effective_clusters, 1.0);
  EXPECT_FALSE(e.interval || e.standard_error);
  EXPECT_EQ(e.method, IntervalMethod::kNone);
}

TEST(ClusteredMeanTest, IsNotANumberWithoutTokens) {
  ThreadPool threads(1);
  const Estimate e = ClusteredMean(std::vector<UnitSum>{{5, 0.0, 0}}, threads);
  EXPECT_TRUE(std::isnan(e.value));
  EXPECT_EQ(e.num_clusters, 0u);
  EXPECT_FALSE(e.interval);
}

TEST(ClusteredMeanTest, IgnoresUnitsWithoutTokens) {
  ThreadPool threads(1);
  std::vector<UnitSum> units = SomeUnits(5);
  const Estimate expected = ClusteredMean(units, threads);
  units.push_back({99, 0.0, 0});
  EXPECT_EQ(ClusteredMean(units, threads).interval->low, expected.interval->low);
  EXPECT_EQ(ClusteredMean(units, threads).num_clusters, 5u);
}

TEST(ClusteredMeanTest, PassesAnInfiniteLossOnWithoutAnInterval) {
  ThreadPool threads(1);
  std::vector<UnitSum> units = SomeUnits(50);
  units[8].sum = std::numeric_limits<double>::infinity();
  const Estimate e = ClusteredMean(units, threads);
  EXPECT_EQ(e.value, std::numeric_limits<double>::infinity());
  EXPECT_FALSE(e.interval);
}

TEST(ClusteredMeanTest, GivesAPointWhereNothingVaries) {
  ThreadPool threads(1);
  std::vector<UnitSum> units;
  for (uint32_t i = 0; i < 40; ++i) units.push_back({i, 0.0, 10 + i});
  const Estimate e = ClusteredMean(units, threads);
  EXPECT_EQ(e.interval->low, 0.0);
  EXPECT_EQ(e.interval->high, 0.0);
  EXPECT_EQ(*e.standard_error, 0.0);
}

TEST(ClusteredMeanTest, TurnsToTheBootstrapFromThirtyEffectiveClusters) {
  ThreadPool threads(1);
  const BootstrapOptions quick = {.num_resamples = 500};
  EXPECT_EQ(ClusteredMean(SomeUnits(29), threads, quick).method, IntervalMethod::kJackknifeT);
  const Estimate e = ClusteredMean(SomeUnits(40), threads, quick);
  EXPECT_EQ(e.method, IntervalMethod::kBcaBootstrap);
  EXPECT_LT(e.interval->low, e.value);
  EXPECT_GT(e.interval->high, e.value);
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

TEST(ClusteredMeanTest, AsksTheBootstrapForTheExpandedConfidence) {
  ThreadPool threads(1);
  const std::vector<ClusterSum> clusters = SumByCluster(SomeUnits(40));
  const BootstrapOptions options = {.num_resamples = 2000};
  const Estimate e = ClusteredMean(clusters, threads, options);
  const auto expected =
      BcaInterval(BootstrapRatios(clusters, options, threads), RatioOfSums(clusters),
                  LeaveOneOut(clusters), ExpandedConfidence(0.95, EffectiveClusters(clusters)));
  EXPECT_EQ(e.interval->low, expected->low);
  EXPECT_EQ(e.interval->high, expected->high);
}

TEST(ClusteredMeanTest, GivesTheSameBitsForAnyNumberOfThreadsAndOrderOfUnits) {
  std::vector<UnitSum> units = SomeUnits(60);
  ThreadPool one(1);
  const Estimate expected = ClusteredMean(units, one);
  std::reverse(units.begin(), units.end());
  ThreadPool three(3);
  const Estimate e = ClusteredMean(units, three);
  EXPECT_EQ(std::bit_cast<uint64_t>(e.value), std::bit_cast<uint64_t>(expected.value));
  EXPECT_EQ(e.interval->low, expected.interval->low);
  EXPECT_EQ(e.interval->high, expected.interval->high);
  EXPECT_EQ(*e.standard_error, *expected.standard_error);
}

TEST(BootstrapTest, HasTheSpreadThatTheJackknifePredicts) {
  ThreadPool threads(2);
  const std::vector<ClusterSum> clusters = SumByCluster(SomeUnits(200));
  const std::vector<double> ratios = BootstrapRatios(clusters, {.num_resamples = 4000}, threads);
  double mean = 0;
  for (const double r : ratios) mean += r / 4000;
  double variance = 0;
  for (const double r : ratios) variance += (r - mean) * (r - mean) / 3999;
  const double predicted = JackknifeStandardError(LeaveOneOut(clusters));
  // The spread of 4,000 draws is known to 1/sqrt(8000) = 1.1 %; four times that, and 1 % for the
  // two methods' own difference at 200 clusters.
  EXPECT_NEAR(std::sqrt(variance) / predicted, 1.0, 0.055);
}

TEST(PerplexityRatioTest, IsTheExponentialOfTheDifferenceAndItsInterval) {
  Estimate difference;
  difference.value = std::log(1.1);
  difference.interval = Interval{std::log(1.05), std::log(1.15)};
  difference.standard_error = 0.02;
  const Estimate ratio = PerplexityRatio(difference);
  EXPECT_NEAR(ratio.value, 1.1, 1e-15);
  EXPECT_NEAR(ratio.interval->low, 1.05, 1e-15);
  EXPECT_NEAR(ratio.interval->high, 1.15, 1e-15);
  EXPECT_NEAR(*ratio.standard_error, 0.022, 1e-15);
}

}  // namespace
}  // namespace bitloss

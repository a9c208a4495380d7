#include "bitloss/stats/clustered_mean.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "bitloss/json/parse.h"
#include "bitloss/stats/distributions.h"

namespace bitloss {
namespace {

using nlohmann::json;

// Written by tools/golden/stats.py; it names the programs and their versions.
const json& Golden() {
  static const json golden =
      ReadJsonFile(BITLOSS_SOURCE_DIR "/src/bitloss/stats/testdata/stats.json").value();
  return golden;
}

void ExpectClose(double actual, double expected) {
  EXPECT_NEAR(actual, expected, 1e-10 * std::max(1.0, std::abs(expected)));
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
    const Estimate e = ClusteredMean(UnitsOf(c), threads);
    ExpectClose(e.value, c["value"]);
    ExpectClose(e.effective_clusters, c["effective_clusters"]);
    if (!EnoughClusters(e.effective_clusters)) {
      EXPECT_FALSE(e.interval || e.standard_error);
      continue;
    }
    ASSERT_TRUE(e.interval && e.standard_error);
    ExpectClose(*e.standard_error, c["standard_error"]);
    ExpectClose(e.interval->low, c["t_low"]);
    ExpectClose(e.interval->high, c["t_high"]);
    EXPECT_EQ(e.method, IntervalMethod::kJackknifeT);
  }
}

TEST(ClusteredMeanTest, SharesAgreeWithScipysLogit) {
  ThreadPool threads(1);
  for (const json& c : Golden()["shares"]) {
    const Estimate e = ClusteredMean(UnitsOf(c), threads, {.range = Range::kShare});
    ASSERT_TRUE(e.interval);
    ExpectClose(e.interval->low, c["low"]);
    ExpectClose(e.interval->high, c["high"]);
  }
}

// Four clusters (1, 2), (4, 2), (1, 2), (4, 2): ratio 5/4; without one of the first kind 9/6, of
// the second 6/6. Jackknife: sqrt(3/4 * 4 * 0.25^2) = 0.4330.
TEST(ClusteredMeanTest, GivesTheNumbersDoneByHand) {
  ThreadPool threads(1);
  const std::vector<UnitSum> units = {
      {7, 1.0, 2}, {3, 3.0, 1}, {3, 1.0, 1}, {8, 1.0, 2}, {9, 4.0, 2}};
  const Estimate e = ClusteredMean(units, threads);
  EXPECT_EQ(e.value, 1.25);
  EXPECT_EQ(e.num_clusters, 4u);
  EXPECT_EQ(e.effective_clusters, 4.0);
  EXPECT_NEAR(*e.standard_error, std::sqrt(3.0) / 4, 1e-15);
  // t with three degrees of freedom at 97.5 %: 3.18244630528...
  EXPECT_NEAR(e.interval->high, 1.25 + std::sqrt(3.0) / 4 * 3.182446305284263, 1e-12);
}

TEST(ClusteredMeanTest, GivesNoIntervalBelowFourEffectiveClusters) {
  ThreadPool threads(1);
  for (const Range range : {Range::kAny, Range::kPositive, Range::kShare}) {
    const std::vector<ClusterSum> three = {{1, 2}, {1.5, 2}, {0.5, 2}};
    const Estimate e = ClusteredMean(three, threads, {.range = range});
    EXPECT_EQ(e.value, 0.5);
    EXPECT_FALSE(e.interval || e.standard_error);
    EXPECT_EQ(e.method, IntervalMethod::kNone);
  }
}

// Shares near 1, and one divergence that is most of the sum: an ordinary interval would leave the
// values that are possible.
TEST(ClusteredMeanTest, IntervalsStayWithinWhatIsPossible) {
  ThreadPool threads(1);
  const std::vector<ClusterSum> shares = {{9, 10}, {10, 10}, {10, 10}, {10, 10}, {10, 10}};
  const Estimate share = ClusteredMean(shares, threads, {.range = Range::kShare});
  EXPECT_LT(share.interval->high, 1);
  EXPECT_LT(share.interval->low, share.value);
  EXPECT_GT(ClusteredMean(shares, threads).interval->high, 1);
  EXPECT_EQ(share.method, IntervalMethod::kLogitT);

  const std::vector<ClusterSum> kl = {{0.1, 10}, {9, 10}, {0.2, 10}, {0.3, 10}, {0.1, 10}};
  const Estimate positive = ClusteredMean(kl, threads, {.range = Range::kPositive});
  EXPECT_GT(positive.interval->low, 0);
  EXPECT_GT(positive.interval->high, positive.value);
  EXPECT_LT(ClusteredMean(kl, threads).interval->low, 0);
  EXPECT_EQ(positive.method, IntervalMethod::kLogBootstrapT);
}

// No share has an interval where all clusters agree; a divergence of exactly nothing is a point.
TEST(ClusteredMeanTest, SaysNothingOfScatterWhereThereIsNone) {
  ThreadPool threads(1);
  const std::vector<ClusterSum> ones(6, ClusterSum{10, 10});
  EXPECT_FALSE(ClusteredMean(ones, threads, {.range = Range::kShare}).interval);
  const std::vector<ClusterSum> zeros(6, ClusterSum{0, 10});
  const Estimate none = ClusteredMean(zeros, threads, {.range = Range::kPositive});
  EXPECT_EQ(none.interval->low, 0);
  EXPECT_EQ(none.interval->high, 0);
}

// The upper end of a positive mean is at least Cox's for a lognormal: of logs 0, 1, 2, 3 (mean 1.5,
// variance 5/3) exp(1.5 + 5/6 + t sqrt(5/12 + 25/54)), t of three degrees.
TEST(ClusteredMeanTest, APositiveMeanEndsNoLowerThanALognormals) {
  ThreadPool threads(1);
  std::vector<ClusterSum> clusters;
  for (int i = 0; i < 4; ++i) clusters.push_back({std::exp(double(i)), 1});
  const Estimate e = ClusteredMean(clusters, threads, {.range = Range::kPositive});
  const double cox = std::exp(1.5 + 5.0 / 6 + 3.182446305284263 * std::sqrt(5.0 / 12 + 25.0 / 54));
  EXPECT_GE(e.interval->high, cox * (1 - 1e-12));
}

// Where a tail is beyond what the resamples resolve, the interval still widens with the confidence.
TEST(ClusteredMeanTest, ManyTestsWidenTheIntervalOfAPositiveMean) {
  ThreadPool threads(1);
  const std::vector<UnitSum> units = SomeUnits(60);
  double last = 1e9;
  for (const double confidence : {0.95, 0.99, 0.999, 0.9999, 0.99999}) {
    const Estimate e =
        ClusteredMean(units, threads, {.confidence = confidence, .range = Range::kPositive});
    EXPECT_LT(e.interval->low, last) << confidence;
    last = e.interval->low;
  }
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

TEST(ClusteredMeanTest, GivesTheSameBitsForAnyNumberOfThreadsAndOrderOfUnits) {
  std::vector<UnitSum> units = SomeUnits(60);
  ThreadPool one(1);
  const MeanOptions options = {.range = Range::kPositive};
  const Estimate expected = ClusteredMean(units, one, options);
  std::reverse(units.begin(), units.end());
  ThreadPool three(3);
  const Estimate e = ClusteredMean(units, three, options);
  EXPECT_EQ(std::bit_cast<uint64_t>(e.value), std::bit_cast<uint64_t>(expected.value));
  EXPECT_EQ(e.interval->low, expected.interval->low);
  EXPECT_EQ(e.interval->high, expected.interval->high);
  EXPECT_EQ(*e.standard_error, *expected.standard_error);
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

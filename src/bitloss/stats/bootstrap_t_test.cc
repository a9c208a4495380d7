#include "bitloss/stats/bootstrap_t.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bitloss/base/random.h"
#include "bitloss/json/parse.h"
#include "bitloss/stats/distributions.h"

namespace bitloss {
namespace {

using nlohmann::json;

std::vector<ClusterSum> Normals(size_t n, double mean, double spread) {
  const RandomStream random(3, "bootstrap-t test");
  std::vector<ClusterSum> clusters;
  for (size_t i = 0; i < n; ++i) {
    clusters.push_back({mean + spread * NormalQuantile(random.Uniform(i)), 1});
  }
  return clusters;
}

// With equal counts the ratio is the mean and the jackknife's error s / sqrt(n): of 1, 2, 6 the
// mean is 3, s^2 = 7, so t = (3 - 2) / sqrt(7 / 3).
TEST(BootstrapTTest, StudentizesByTheResamplesOwnError) {
  const ClusterSum drawn[] = {{1, 1}, {2, 1}, {6, 1}};
  EXPECT_NEAR(*StudentizedRatio(drawn, 2), 1 / std::sqrt(7.0 / 3), 1e-14);
  const ClusterSum alike[] = {{2, 1}, {2, 1}};
  EXPECT_FALSE(StudentizedRatio(alike, 2).has_value());
}

// The golden file gives the draws; ratios and errors are numpy's and astropy's.
TEST(BootstrapTTest, AgreesWithNumpyAndAstropyOnTheSameResamples) {
  const json golden =
      ReadJsonFile(BITLOSS_SOURCE_DIR "/src/bitloss/stats/testdata/stats.json").value();
  size_t num_compared = 0;
  for (const json& c : golden["bootstrap_t"]) {
    std::vector<ClusterSum> clusters;
    for (size_t i = 0; i < c["sums"].size(); ++i) {
      clusters.push_back({c["sums"][i], c["counts"][i]});
    }
    const double value = RatioOfSums(clusters);
    std::vector<double> studentized;
    for (size_t r = 0; r < c["draws"].size(); ++r) {
      std::vector<ClusterSum> drawn;
      for (const size_t i : c["draws"][r]) drawn.push_back(clusters[i]);
      studentized.push_back(StudentizedRatio(drawn, value).value());
      EXPECT_NEAR(studentized.back(), c["t"][r], 1e-10 * std::max(1.0, std::abs(studentized[r])));
    }
    std::ranges::sort(studentized);
    const double error = JackknifeStandardError(LeaveOneOut(clusters));
    for (const json& expected : c["intervals"]) {
      const Interval interval =
          StudentizedInterval(studentized, value, error, expected["confidence"]);
      EXPECT_NEAR(interval.low, expected["low"], 1e-10);
      EXPECT_NEAR(interval.high, expected["high"], 1e-10);
      ++num_compared;
    }
  }
  EXPECT_EQ(num_compared, 6u);
}

// Of many normal clusters t_r is nearly normal, so that the interval is nearly value +- 1.96 SE.
TEST(BootstrapTTest, OfManyClustersIsTheNormalInterval) {
  ThreadPool threads(2);
  const std::vector<ClusterSum> clusters = Normals(400, 5, 2);
  const Interval interval = BootstrapTInterval(clusters, threads).value();
  const double value = RatioOfSums(clusters);
  const double error = JackknifeStandardError(LeaveOneOut(clusters));
  EXPECT_NEAR(interval.low, value - 1.96 * error, 0.15 * error);
  EXPECT_NEAR(interval.high, value + 1.96 * error, 0.15 * error);
}

TEST(BootstrapTTest, IsWiderForFewAndLeansWhereDataAreSkewed) {
  ThreadPool threads(2);
  std::vector<ClusterSum> clusters;
  for (const double sum : {1.0, 1.1, 1.2, 1.3, 1.5, 1.8, 2.4, 4.0}) clusters.push_back({sum, 1});
  const Interval interval = BootstrapTInterval(clusters, threads).value();
  const double value = RatioOfSums(clusters);
  const double error = JackknifeStandardError(LeaveOneOut(clusters));
  EXPECT_GT(interval.high - value, value - interval.low) << "the long tail is above";
  EXPECT_GT(interval.high - interval.low, 2 * 1.96 * error);
}

TEST(BootstrapTTest, HasTheSameBitsForAnyNumberOfThreadsAndNothingToSayOfTwo) {
  ThreadPool one(1);
  ThreadPool three(3);
  const std::vector<ClusterSum> clusters = Normals(12, 0, 1);
  EXPECT_EQ(BootstrapTInterval(clusters, one)->low, BootstrapTInterval(clusters, three)->low);
  EXPECT_FALSE(BootstrapTInterval(std::span(clusters).first(2), one).has_value());
}

}  // namespace
}  // namespace bitloss

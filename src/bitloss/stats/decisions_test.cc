// Tests of one table, one list of p-values, one curve: against the golden file and by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "bitloss/json/parse.h"
#include "bitloss/stats/multiplicity.h"
#include "bitloss/stats/paired_outcomes.h"
#include "bitloss/stats/proportion.h"
#include "bitloss/stats/sign_flip.h"
#include "bitloss/stats/survival.h"

namespace bitloss {
namespace {

using nlohmann::json;

// Written by tools/golden/stats.py; it names the programs and their versions.
const json& Golden() {
  static const json golden =
      ReadJsonFile(BITLOSS_SOURCE_DIR "/src/bitloss/stats/testdata/stats.json").value();
  return golden;
}

constexpr double kTolerance = 1e-10;

TEST(ProportionTest, AgreesWithScipy) {
  for (const json& c : Golden()["proportions"]) {
    const Interval wilson = WilsonInterval(c["k"], c["n"], c["confidence"]);
    EXPECT_NEAR(wilson.low, c["wilson"][0], kTolerance);
    EXPECT_NEAR(wilson.high, c["wilson"][1], kTolerance);
    const Interval exact = ClopperPearsonInterval(c["k"], c["n"], c["confidence"]);
    EXPECT_NEAR(exact.low, c["exact"][0], kTolerance);
    EXPECT_NEAR(exact.high, c["exact"][1], kTolerance);
  }
}

// All n succeed: the lower end solves p^n = 0.025.
TEST(ProportionTest, EightOfEightMayStillBeSixtyThreePercent) {
  EXPECT_NEAR(ClopperPearsonInterval(8, 8).low, std::pow(0.025, 1.0 / 8), 1e-14);
  EXPECT_EQ(ClopperPearsonInterval(8, 8).high, 1.0);
  EXPECT_EQ(ClopperPearsonInterval(0, 8).low, 0.0);
  EXPECT_EQ(WilsonInterval(0, 8).low, 0.0);
}

TEST(PairedOutcomesTest, AgreesWithStatsmodelsAndTheDefinition) {
  for (const json& c : Golden()["paired_tables"]) {
    const PairedTable table = {c["both"], c["base_only"], c["lane_only"], c["neither"]};
    const McNemarTest test = TestMcNemar(table);
    EXPECT_NEAR(test.exact, c["exact"], kTolerance);
    EXPECT_NEAR(test.mid_p, c["mid_p"], kTolerance);
    const Interval tango = TangoInterval(table, c["confidence"]);
    EXPECT_NEAR(tango.low, c["tango"][0], kTolerance) << c;
    EXPECT_NEAR(tango.high, c["tango"][1], kTolerance) << c;
  }
}

TEST(PairedOutcomesTest, EightFlipsOneWayHaveTheSmallestPValueOfEightPrompts) {
  const McNemarTest test = TestMcNemar({.base_only = 8});
  EXPECT_EQ(test.exact, 2.0 / 256);
  EXPECT_EQ(test.mid_p, 1.0 / 256);
  EXPECT_EQ(NetChange({.base_only = 8}), -1.0);
  EXPECT_EQ(TangoInterval({.base_only = 8}).low, -1.0);
}

// Without a flip the score is sqrt(n d / (1 - d)): the ends are +- z^2 / (n + z^2).
TEST(PairedOutcomesTest, NoFlipAtAllBoundsTheChangeByTheNumberOfPrompts) {
  const Interval interval = TangoInterval({.both = 96});
  const double z2 = 1.959963984540054 * 1.959963984540054;
  EXPECT_NEAR(interval.high, z2 / (96 + z2), 1e-14);
  EXPECT_NEAR(interval.low, -z2 / (96 + z2), 1e-14);
}

TEST(SignFlipTest, AgreesWithScipysExactPermutationTest) {
  for (const json& c : Golden()["sign_flips"]) {
    const std::vector<double> differences = c["differences"];
    EXPECT_NEAR(SignFlipPValue(differences), c["two-sided"], kTolerance);
    EXPECT_NEAR(SignFlipPValue(differences, {.alternative = Alternative::kGreater}), c["greater"],
                kTolerance);
    EXPECT_NEAR(SignFlipPValue(differences, {.alternative = Alternative::kLess}), c["less"],
                kTolerance);
  }
}

// 24 equal differences: only 2 of 2^24 patterns are as extreme, so no random one will be.
TEST(SignFlipTest, CountsTheObservedPatternAmongTheRandomOnes) {
  EXPECT_EQ(SignFlipPValue(std::vector<double>(24, 1.0), {.num_draws = 999}), 1.0 / 1000);
  EXPECT_EQ(SignFlipPValue({}), 1.0);
  EXPECT_EQ(SignFlipPValue(std::vector<double>(70, 0.0)), 1.0);
}

TEST(SignFlipTest, ApproachesTheExactValueByRandomPatterns) {
  // 21 differences of +-1 with 14 positive: P(|sum| >= 7) = 2 P(Binomial(21, 1/2) <= 7).
  std::vector<double> differences(21, -1.0);
  std::fill(differences.begin(), differences.begin() + 14, 1.0);
  double exact = 0;
  double choose = 1;
  for (int k = 0; k <= 7; ++k) {
    exact += 2 * choose / 2097152;
    choose = choose * (21 - k) / (k + 1);
  }
  const double four_sigma = 4 * std::sqrt(exact * (1 - exact) / 100'000);
  EXPECT_NEAR(SignFlipPValue(differences), exact, four_sigma + 1e-5);
}

TEST(MultiplicityTest, AgreesWithStatsmodels) {
  for (const json& c : Golden()["adjusted"]) {
    const std::vector<double> p = c["p"];
    const std::vector<double> holm = HolmAdjusted(p);
    const std::vector<double> bh = BenjaminiHochbergAdjusted(p);
    for (size_t i = 0; i < p.size(); ++i) {
      EXPECT_NEAR(holm[i], c["holm"][i], kTolerance);
      EXPECT_NEAR(bh[i], c["bh"][i], kTolerance);
    }
  }
  EXPECT_TRUE(HolmAdjusted({}).empty());
  EXPECT_TRUE(BenjaminiHochbergAdjusted({}).empty());
}

TEST(SurvivalTest, AgreesWithLifelines) {
  for (const json& c : Golden()["survival"]) {
    std::vector<Lifetime> lifetimes;
    for (size_t i = 0; i < c["times"].size(); ++i) {
      lifetimes.push_back({c["times"][i], c["events"][i] ? Ending::kEvent : Ending::kCensored});
    }
    const SurvivalCurve curve(lifetimes);
    ASSERT_EQ(curve.steps().size(), c["points"].size());
    for (const json& point : c["points"]) {
      EXPECT_NEAR(curve.Survival(point["time"]), point["survival"], kTolerance);
      const auto interval = curve.SurvivalInterval(point["time"]);
      if (!interval) continue;  // the curve has come to zero
      EXPECT_NEAR(interval->low, point["low"], kTolerance);
      EXPECT_NEAR(interval->high, point["high"], kTolerance);
    }
    EXPECT_EQ(curve.Median().has_value(), !c["median"].is_null());
    EXPECT_EQ(curve.Median().value_or(-1), c["median"].is_null() ? -1 : c["median"].get<double>());
    const MedianBounds bounds = curve.MedianInterval();
    const auto bound = [](const json& end) { return end.is_null() ? -1 : end.get<double>(); };
    EXPECT_EQ(bounds.low.value_or(-1), bound(c["median_low"]));
    EXPECT_EQ(bounds.high.value_or(-1), bound(c["median_high"]));
  }
}

// Of four, one differs at token 3, one at 5, two are the same to their end at 4 and 9:
// S = 3/4 from 3 on; at 5 two are left, S = 3/8.
TEST(SurvivalTest, GivesTheNumbersDoneByHand) {
  const SurvivalCurve curve(std::vector<Lifetime>{
      {3, Ending::kEvent}, {4, Ending::kCensored}, {5, Ending::kEvent}, {9, Ending::kCensored}});
  EXPECT_EQ(curve.Survival(2), 1.0);
  EXPECT_EQ(curve.Survival(3), 0.75);
  EXPECT_EQ(curve.Survival(4.5), 0.75);
  EXPECT_EQ(curve.Survival(100), 0.375);
  EXPECT_EQ(curve.Median(), 5.0);
  EXPECT_FALSE(curve.SurvivalInterval(2));
}

TEST(SurvivalTest, HasNoMedianIfMostAnswersStayTheSame) {
  const SurvivalCurve curve(std::vector<Lifetime>(5, Lifetime{32, Ending::kCensored}));
  EXPECT_EQ(curve.Survival(64), 1.0);
  EXPECT_FALSE(curve.Median());
  EXPECT_TRUE(SurvivalCurve({}).steps().empty());
}

}  // namespace
}  // namespace bitloss

#include "bitloss/metrics/divergence.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "bitloss/base/random.h"
#include "bitloss/metrics/reference/divergence.h"
#include "bitloss/metrics/simd_targets.h"
#include "hwy/highway.h"
#include "hwy/targets.h"

namespace bitloss {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

RowSummary MustSummarize(std::span<const float> logits) {
  Result<RowSummary> row = Summarize(logits);
  EXPECT_TRUE(row.ok()) << (row.ok() ? "" : row.error().message);
  return row.ok() ? row.value() : RowSummary{};
}

Divergence MustCompare(std::span<const float> base, std::span<const float> lane) {
  return Compare(base, MustSummarize(base), lane, MustSummarize(lane));
}

// Logits of a model, roughly: most far below a few.
std::vector<float> SomeLogits(size_t size, uint64_t seed) {
  const RandomStream random(seed, "divergence_test");
  std::vector<float> logits(size);
  for (size_t i = 0; i < size; ++i) logits[i] = static_cast<float>(2.5 * random.Gumbel(i)) - 5.0f;
  return logits;
}

std::vector<float> Disturbed(std::vector<float> logits, double size, uint64_t seed) {
  const RandomStream random(seed, "disturbance");
  for (size_t i = 0; i < logits.size(); ++i) {
    logits[i] += static_cast<float>(size * (random.Uniform(i) - 0.5));
  }
  return logits;
}

TEST(SummarizeTest, GivesFourEqualLogitsPerplexityFour) {
  const std::vector<float> logits = {2.5f, 2.5f, 2.5f, 2.5f};
  const RowSummary row = MustSummarize(logits);
  EXPECT_EQ(row.top1, 0);
  EXPECT_EQ(row.log_sum, std::log(4.0));
  EXPECT_EQ(row.entropy, std::log(4.0));
  EXPECT_EQ(LogProb(logits[3], row), -std::log(4.0));
  EXPECT_EQ(std::exp(-LogProb(logits[3], row)), 4.0);
}

TEST(SummarizeTest, TakesTheLowestIdOfEqualMaxima) {
  for (const size_t size : {2u, 15u, 16u, 17u, 40u, 3000u}) {
    std::vector<float> logits(size, 1.0f);
    EXPECT_EQ(MustSummarize(logits).top1, 0);
    logits[size / 2] = logits[size - 1] = 3.0f;
    EXPECT_EQ(MustSummarize(logits).top1, static_cast<int32_t>(size / 2));
  }
}

TEST(SummarizeTest, AgreesWithTheReferenceForLengthsAroundTheStripes) {
  for (const size_t size : {1u, 2u, 15u, 16u, 17u, 31u, 33u, 1023u, 1024u, 1025u, 1040u, 49152u}) {
    const std::vector<float> logits = SomeLogits(size, size);
    const RowSummary row = MustSummarize(logits);
    const RowSummary expected = reference::Summarize(logits);
    EXPECT_EQ(row.max, expected.max);
    EXPECT_EQ(row.min, expected.min);
    EXPECT_EQ(row.top1, expected.top1);
    EXPECT_NEAR(row.log_sum, expected.log_sum, 1e-14);
    EXPECT_NEAR(row.entropy, expected.entropy, 1e-13);
  }
}

TEST(SummarizeTest, NamesTheLogitThatIsNotANumber) {
  for (const size_t at : {0u, 7u, 16u, 1029u}) {
    for (const float bad : {kNaN, kInfinity, -kNaN}) {
      std::vector<float> logits(1030, 0.5f);
      logits[at] = bad;
      const Result<RowSummary> row = Summarize(logits);
      ASSERT_FALSE(row.ok());
      EXPECT_EQ(row.error().kind, ErrorKind::kBadInput);
      EXPECT_NE(row.error().message.find("logit " + std::to_string(at) + " of 1030"),
                std::string::npos)
          << row.error().message;
    }
  }
  EXPECT_FALSE(Summarize(std::vector<float>(20, -kInfinity)).ok());
}

TEST(SummarizeTest, GivesAMaskedTokenProbabilityZero) {
  const std::vector<float> logits = {1.0f, -kInfinity, 1.0f};
  const RowSummary row = MustSummarize(logits);
  EXPECT_EQ(row.log_sum, std::log(2.0));
  EXPECT_EQ(row.entropy, std::log(2.0));
  EXPECT_EQ(LogProb(logits[1], row), -std::numeric_limits<double>::infinity());
}

TEST(SummarizeTest, TakesTheLargestFloatsWithoutOverflow) {
  const float huge = std::numeric_limits<float>::max();
  const std::vector<float> logits = {-huge, huge, huge};
  EXPECT_EQ(MustSummarize(logits).log_sum, std::log(2.0));
  EXPECT_EQ(MustCompare(logits, logits).kl, 0.0);
}

// p = (1/2, 1/4, 1/4), q = (1/4, 1/4, 1/2): kl = 1/2 ln 2 - 1/4 ln 2 = ln(2)/4 both ways.
TEST(CompareTest, GivesTheNumbersDoneByHand) {
  const float ln2 = std::log(2.0f);
  const Divergence d = MustCompare(std::vector<float>{ln2, 0, 0}, std::vector<float>{0, 0, ln2});
  const double slack = 2e-8;  // ln2 is rounded to float: 1.2e-8 relative
  EXPECT_NEAR(d.kl, std::log(2.0) / 4, slack);
  EXPECT_NEAR(d.kl_reverse, std::log(2.0) / 4, slack);
  EXPECT_FALSE(d.top1_agrees);
}

TEST(CompareTest, AgreesWithTheReference) {
  for (const size_t size : {1u, 3u, 16u, 17u, 1024u, 1061u, 49152u}) {
    for (const double disturbance : {1e-3, 0.1, 2.0, 30.0}) {
      const std::vector<float> base = SomeLogits(size, 1);
      const std::vector<float> lane = Disturbed(base, disturbance, 2);
      const Divergence d = MustCompare(base, lane);
      const Divergence expected = reference::Compare(base, lane);
      EXPECT_NEAR(d.kl, expected.kl, 1e-13 * (1 + expected.kl)) << size << " " << disturbance;
      EXPECT_NEAR(d.kl_reverse, expected.kl_reverse, 1e-13 * (1 + expected.kl_reverse));
      EXPECT_EQ(d.top1_agrees, expected.top1_agrees);
    }
  }
}

TEST(CompareTest, IsExactlyZeroForEqualRows) {
  const std::vector<float> logits = SomeLogits(5001, 3);
  const Divergence d = MustCompare(logits, logits);
  EXPECT_EQ(d.kl, 0.0);
  EXPECT_EQ(d.kl_reverse, 0.0);
  EXPECT_TRUE(d.top1_agrees);
}

// A uniform row with one logit raised by x: with V tokens, Z = V - 1 + e^x,
// kl = ln(Z / V) - x / V, which is (V-1)/V^2 x^2/2 for small x.
TEST(CompareTest, KeepsTheDigitsOfATinyDivergence) {
  constexpr size_t kTokens = 50'000;
  for (const double x : {0x1p-4, 0x1p-8, 0x1p-12}) {
    const std::vector<float> base(kTokens, 0.0f);
    std::vector<float> lane = base;
    lane[77] = static_cast<float>(x);
    const long double exact = std::log1p(std::expm1(static_cast<long double>(x)) / kTokens) -
                              static_cast<long double>(x) / kTokens;
    EXPECT_NEAR(MustCompare(base, lane).kl, static_cast<double>(exact), 1e-15) << x;
  }
}

TEST(CompareTest, IsInfiniteWhereTheLaneRulesOutWhatTheBaselineAllows) {
  const std::vector<float> base = {0.0f, 0.0f};
  const std::vector<float> lane = {0.0f, -kInfinity};
  const Divergence d = MustCompare(base, lane);
  EXPECT_EQ(d.kl, std::numeric_limits<double>::infinity());
  EXPECT_NEAR(d.kl_reverse, std::log(2.0), 1e-15);
  const Divergence other_way = MustCompare(lane, base);
  EXPECT_NEAR(other_way.kl, std::log(2.0), 1e-15);
  EXPECT_EQ(other_way.kl_reverse, std::numeric_limits<double>::infinity());
}

TEST(CompareTest, CountsATokenThatBothRuleOutAsNoDifference) {
  const std::vector<float> base = {0.0f, -kInfinity, 1.0f};
  const Divergence d = MustCompare(base, std::vector<float>{1.0f, -kInfinity, 0.0f});
  const Divergence expected = MustCompare(std::vector<float>{0, 1}, std::vector<float>{1, 0});
  EXPECT_EQ(d.kl, expected.kl);
}

TEST(CompareTest, TakesLogitsThatUnderflow) {
  std::vector<float> base = SomeLogits(2000, 5);
  std::vector<float> lane = SomeLogits(2000, 6);
  for (size_t i = 0; i < 2000; i += 3) base[i] = -730.0f - static_cast<float>(i);
  for (size_t i = 0; i < 2000; i += 5) lane[i] = -735.0f;
  const Divergence d = MustCompare(base, lane);
  const Divergence expected = reference::Compare(base, lane);
  EXPECT_NEAR(d.kl, expected.kl, 1e-13 * expected.kl);
  EXPECT_NEAR(d.kl_reverse, expected.kl_reverse, 1e-13 * expected.kl_reverse);
}

bool SameBits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

TEST(CompareTest, GivesTheSameBitsOnEveryInstructionSet) {
  for (const size_t size : {5u, 16u, 1000u, 20011u}) {
    for (const bool underflow : {false, true}) {
      std::vector<float> base = SomeLogits(size, 8);
      const std::vector<float> lane = Disturbed(base, 0.5, 9);
      if (underflow) base[size / 2] = -800.0f;
      const RowSummary row = MustSummarize(base);
      const Divergence d = MustCompare(base, lane);
      for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
        hwy::SetSupportedTargetsForTest(target);
        const RowSummary other_row = MustSummarize(base);
        const Divergence other = MustCompare(base, lane);
        EXPECT_TRUE(SameBits(other_row.log_sum, row.log_sum)) << hwy::TargetName(target);
        EXPECT_TRUE(SameBits(other_row.entropy, row.entropy)) << hwy::TargetName(target);
        EXPECT_EQ(other_row.top1, row.top1);
        EXPECT_EQ(other_row.min, row.min);
        EXPECT_TRUE(SameBits(other.kl, d.kl)) << hwy::TargetName(target);
        EXPECT_TRUE(SameBits(other.kl_reverse, d.kl_reverse)) << hwy::TargetName(target);
      }
      hwy::SetSupportedTargetsForTest(0);
    }
  }
}

}  // namespace
}  // namespace bitloss

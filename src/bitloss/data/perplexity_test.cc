#include "bitloss/data/perplexity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace bitloss {
namespace {

Sequence Scored(size_t num_scored, double weight, uint64_t words = 0, uint64_t bytes = 0) {
  return {.tokens = std::vector<TokenId>(num_scored + 1),
          .first_scored = 1,
          .weight = weight,
          .clusters = std::vector<uint32_t>(num_scored),
          .num_words = words,
          .num_bytes = bytes};
}

TEST(ProtocolPerplexity, OfEqualLossesIsTheirExponential) {
  Windows windows;
  windows.sequences = {Scored(3, 3), Scored(5, 5)};
  const std::vector<std::vector<double>> nlls = {std::vector<double>(3, std::log(4.0)),
                                                 std::vector<double>(5, std::log(4.0))};
  EXPECT_DOUBLE_EQ(ProtocolPerplexity(windows, nlls).perplexity, 4.0);
}

TEST(ProtocolPerplexity, WeighsALineByItsLengthNotItsPredictions) {
  // Two lines of n = 2 and 4 tokens with mean losses 1 and 2: (2*1 + 4*2) / 6.
  Windows windows;
  windows.sequences = {Scored(1, 2), Scored(3, 4)};
  const std::vector<std::vector<double>> nlls = {{1.0}, {1.0, 2.0, 3.0}};
  const Perplexity result = ProtocolPerplexity(windows, nlls);
  EXPECT_DOUBLE_EQ(result.nll, 10.0 / 6.0);
  EXPECT_DOUBLE_EQ(result.perplexity, std::exp(10.0 / 6.0));
  EXPECT_FALSE(result.byte_perplexity.has_value());
}

TEST(ProtocolPerplexity, IgnoresAWindowOfWeightZero) {
  Windows windows;
  windows.sequences = {Scored(2, 2), Scored(1, 0)};
  EXPECT_DOUBLE_EQ(ProtocolPerplexity(windows, std::vector<std::vector<double>>{{1, 1}, {9}}).nll,
                   1.0);
}

TEST(ProtocolPerplexity, ReproducesAPublishedPairPerWordAndPerByte) {
  // Llama-2-7B: word perplexity 8.792073612124492, byte perplexity 1.5015845643537054, and 0.5865
  // bits per byte; WikiText-2's test split has 241,335 words and 1,290,527 bytes.
  const double total = std::log(8.792073612124492) * 241335;
  Windows windows;
  windows.aggregation = Aggregation::kPerWord;
  windows.sequences = {Scored(1, 1, 241335, 1290527), Scored(1, 1)};
  const std::vector<std::vector<double>> nlls = {{total / 2}, {total / 2}};
  const Perplexity result = ProtocolPerplexity(windows, nlls);
  EXPECT_NEAR(result.perplexity, 8.792073612124492, 1e-13);
  EXPECT_NEAR(*result.byte_perplexity, 1.5015845643537054, 1e-14);
  EXPECT_NEAR(*result.bits_per_byte, 0.5865, 5e-5);
}

TEST(ProtocolPerplexity, IsInfiniteWhenATokenIsImpossible) {
  Windows windows;
  windows.sequences = {Scored(2, 2)};
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(ProtocolPerplexity(windows, std::vector<std::vector<double>>{{1, inf}}).perplexity,
            inf);
}

TEST(ProtocolPerplexityDeathTest, NeedsOneLossForEachScoredToken) {
  Windows windows;
  windows.sequences = {Scored(2, 2)};
  EXPECT_DEATH(ProtocolPerplexity(windows, std::vector<std::vector<double>>{{1}}), "num_scored");
}

}  // namespace
}  // namespace bitloss

#include "bitloss/metrics/top_k.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "bitloss/base/random.h"
#include "bitloss/metrics/coupled_sampling.h"

namespace bitloss {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(TopKTest, SortsDownwardsAndPutsTheLowerIdOfEqualsFirst) {
  const std::vector<float> logits = {1, 5, 5, 2, 5, 3};
  const std::vector<ScoredToken> expected = {{1, 5}, {2, 5}, {4, 5}, {5, 3}};
  EXPECT_EQ(TopK(logits, 4), expected);
  EXPECT_EQ(TopK(logits, 2), (std::vector<ScoredToken>{{1, 5}, {2, 5}}));
}

TEST(TopKTest, GivesAllWhenThereAreFewerThanK) {
  const std::vector<float> logits = {-kInfinity, 7};
  EXPECT_EQ(TopK(logits, 50), (std::vector<ScoredToken>{{1, 7}, {0, -kInfinity}}));
  EXPECT_TRUE(TopK(logits, 0).empty());
}

TEST(TopKTest, EqualsAStableSort) {
  const RandomStream random(1, "top_k_test");
  std::vector<float> logits(5000);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(random.Bits(i) % 300);
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::stable_sort(ids.begin(), ids.end(),
                   [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
  const std::vector<ScoredToken> top = TopK(logits, 50);
  for (size_t i = 0; i < top.size(); ++i) EXPECT_EQ(top[i].id, ids[i]);
  EXPECT_EQ(ArgMax(logits), ids[0]);
}

TEST(TopKTest, OverlapLooksAtMembershipNotAtOrder) {
  const std::vector<ScoredToken> a = {{3, 9}, {1, 8}, {4, 7}, {0, 6}};
  const std::vector<ScoredToken> b = {{4, 9}, {3, 8}, {1, 7}, {5, 6}};
  EXPECT_EQ(TopKOverlap(a, b), 0.75);
  EXPECT_EQ(TopKOverlap(a, a), 1.0);
}

TEST(CoupledSamplingTest, EqualsTheDefinitionWithoutItsShortCut) {
  const RandomStream random(2, "coupled_sampling_test");
  const RandomStream noise = CouplingNoise(7, "math-3", 1);
  std::vector<float> logits(2000);
  for (size_t i = 0; i < logits.size(); ++i) {
    logits[i] = static_cast<float>(4 * random.Gumbel(i)) - 10.0f;
  }
  for (uint64_t position = 0; position < 200; ++position) {
    size_t best = 0;
    double best_score = -std::numeric_limits<double>::infinity();
    for (size_t v = 0; v < logits.size(); ++v) {
      const double score = double{logits[v]} / 0.7 + noise.Gumbel(position, v);
      if (score > best_score) {
        best = v;
        best_score = score;
      }
    }
    EXPECT_EQ(SampleCoupled(logits, 0.7, noise, position), static_cast<int32_t>(best));
  }
}

TEST(CoupledSamplingTest, DrawsFromTheSoftmaxAtThatTemperature) {
  const std::vector<float> logits = {1.0f, 2.0f, 0.0f, -kInfinity};
  const double temperature = 0.7;
  const RandomStream noise = CouplingNoise(20250917, "any", 0);
  constexpr int kDraws = 40'000;
  std::vector<double> counts(logits.size());
  for (uint64_t i = 0; i < kDraws; ++i) counts[SampleCoupled(logits, temperature, noise, i)] += 1;
  double total = 0;
  for (const float logit : logits) total += std::exp(logit / temperature);
  for (size_t v = 0; v < logits.size(); ++v) {
    const double p = std::exp(logits[v] / temperature) / total;
    const double four_sigma = 4 * std::sqrt(p * (1 - p) / kDraws);
    EXPECT_LE(std::abs(counts[v] / kDraws - p), four_sigma) << v;
  }
}

TEST(CoupledSamplingTest, GivesOtherDiceToOtherPromptsSamplesAndSeeds) {
  const std::vector<float> flat(1000, 0.0f);
  const auto draw = [&](uint64_t seed, std::string_view prompt, uint64_t sample) {
    return SampleCoupled(flat, 1.0, CouplingNoise(seed, prompt, sample), 0);
  };
  const int32_t one = draw(1, "a", 0);
  EXPECT_EQ(draw(1, "a", 0), one);
  EXPECT_NE(draw(2, "a", 0), one);
  EXPECT_NE(draw(1, "b", 0), one);
  EXPECT_NE(draw(1, "a", 1), one);
}

}  // namespace
}  // namespace bitloss

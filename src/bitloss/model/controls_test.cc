// Lanes that keep the model's weights: other arithmetics, and noise.
#include <gmock/gmock.h>

#include <cmath>

#include "bitloss/compute/rounded_arithmetic.h"
#include "bitloss/metrics/divergence.h"
#include "bitloss/model/noise.h"
#include "bitloss/model/test_model.h"
#include "bitloss/tensor/dtype.h"

namespace bitloss {
namespace {

constexpr std::array<int32_t, 12> kTokens = {5, 17, 200, 31, 44, 90, 7, 301, 12, 66, 250, 9};

// Mean KL from the baseline over the tokens.
double MeanKl(TestModel& model, const std::string& scheme) {
  const Matrix base = model.Logits(model.Lane("fp16"), kTokens);
  const Matrix other = model.Logits(model.Lane(scheme), kTokens);
  double sum = 0;
  for (size_t row = 0; row < base.rows(); ++row) {
    sum += Compare(base.Row(row), Must(Summarize(base.Row(row))), other.Row(row),
                   Must(Summarize(other.Row(row))))
               .kl;
  }
  return sum / static_cast<double>(base.rows());
}

TEST(Controls, DifferFromTheBaselineByLittleAndBf16ByMore) {
  TestModel model(TestModel::TinyFolder());
  const double bf16 = MeanKl(model, "control-bf16");
  const double fp16 = MeanKl(model, "control-fp16");
  EXPECT_GT(fp16, 0);
  EXPECT_LT(fp16, 1e-4);
  // BF16 keeps 8 bits where FP16 keeps 11: squared errors 64 times as large.
  EXPECT_GT(bf16, 8 * fp16);
  EXPECT_LT(bf16, 1e-2);
}

TEST(Controls, NoiseDoesMoreDamageTheLargerItIs) {
  TestModel model(TestModel::TinyFolder());
  const double small = MeanKl(model, "fp16+noise:0.01");
  const double large = MeanKl(model, "fp16+noise:0.04");
  EXPECT_GT(small, 0);
  EXPECT_GT(large, 8 * small);  // KL grows with the square: 16 times
}

TEST(Controls, ActivationsAreRoundedToNearestEven) {
  ThreadPool threads(1);
  Matrix x(1, 3);
  // 1 + 2^-8 lies between the BF16 values 1 and 1 + 2^-7.
  const std::array<float, 3> values = {1.00390625f, 1.01171875f, 70000.0f};
  std::ranges::copy(values, x.Row(0).begin());
  RoundRows(Execution::Kind::kBf16Activations, threads, x);
  EXPECT_THAT(x.Row(0), testing::ElementsAre(1.0f, 1.015625f, 70144.0f));
  std::ranges::copy(values, x.Row(0).begin());
  RoundRows(Execution::Kind::kFp16Emulation, threads, x);
  EXPECT_THAT(x.Row(0), testing::ElementsAre(1.00390625f, 1.01171875f,
                                             std::numeric_limits<float>::infinity()));
}

// Two keys of two elements, done by hand in FP16.
TEST(Controls, Fp16AttentionRoundsScoresProbabilitiesAndSums) {
  ThreadPool threads(1);
  Matrix q(2, 2), k(2, 2), v(2, 2), out(2, 2);
  std::ranges::copy(std::array<float, 4>{1, 0, 3, 1}, q.flat().begin());
  std::ranges::copy(std::array<float, 4>{1, 2, 0.5f, 1}, k.flat().begin());
  std::ranges::copy(std::array<float, 4>{1, 10, 3, 20}, v.flat().begin());
  const HostSequence sequence{{0, 2}, 0, k, v};
  AttendInFp16({1, 1, 2}, q, {&sequence, 1}, threads, out);
  // The first query sees one key only.
  EXPECT_THAT(out.Row(0), testing::ElementsAre(1.0f, 10.0f));
  // Scores 5 and 2.5, times 0.70703125 (1 / sqrt(2) in FP16): 3.53515625 and 1.767578125, both
  // FP16 values. The second probability is 1 / (1 + exp(1.767578125)) = 0.14583...
  const float p = ThroughF16(static_cast<float>(1 / (1 + std::exp(1.767578125))));
  const float first = ThroughF16(static_cast<float>(1 / (1 + std::exp(-1.767578125))));
  EXPECT_EQ(out.Row(1)[0], ThroughF16(first * 1 + p * 3));
  EXPECT_EQ(out.Row(1)[1], ThroughF16(first * 10 + p * 20));
}

TEST(Controls, ATokenDoesNotDependOnWhatFollows) {
  TestModel model(TestModel::TinyFolder());
  const LaneWeights lane = model.Lane("control-fp16");
  const Matrix whole = model.Logits(lane, kTokens);
  const Matrix part = model.Logits(lane, std::span(kTokens).first(7));
  for (size_t row = 0; row < 7; ++row) {
    EXPECT_TRUE(std::ranges::equal(whole.Row(row), part.Row(row))) << row;
  }
}

TEST(Controls, NoiseHasTheSizeThatWasAskedForAndDependsOnTheSeedAlone) {
  TestModel model(TestModel::TinyFolder());
  const LayerSource source = Must(model.source().Layer(0, Precision::kFp16));
  ThreadPool one(1);
  ThreadPool four(4);
  const LayerSource noisy = WithNoise(source, 0, 0.1, 7, one);
  const LayerSource again = WithNoise(source, 0, 0.1, 7, four);
  const LayerSource other = WithNoise(source, 0, 0.1, 8, one);
  const std::span<const float> clean = source.weights[5].flat();
  const std::span<const float> a = noisy.weights[5].flat();
  EXPECT_TRUE(std::ranges::equal(a, again.weights[5].flat()));
  EXPECT_FALSE(std::ranges::equal(a, other.weights[5].flat()));
  double mean = 0, squares = 0, noise_mean = 0, noise_squares = 0;
  for (size_t i = 0; i < clean.size(); ++i) {
    mean += clean[i];
    squares += double{clean[i]} * clean[i];
    noise_mean += double{a[i]} - clean[i];
    noise_squares += (double{a[i]} - clean[i]) * (double{a[i]} - clean[i]);
  }
  const auto count = static_cast<double>(clean.size());
  const double sd = std::sqrt(squares / count - mean / count * (mean / count));
  const double noise_sd = std::sqrt(noise_squares / count);
  // The relative error of a standard deviation of n normals is 1 / sqrt(2 n); five of them.
  EXPECT_NEAR(noise_sd / (0.1 * sd), 1.0, 5 / std::sqrt(2 * count));
  EXPECT_LT(std::abs(noise_mean / count), 5 * noise_sd / std::sqrt(count));
}

}  // namespace
}  // namespace bitloss

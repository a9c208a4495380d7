#include "bitloss/model/noise.h"

#include <cmath>
#include <numbers>

#include "bitloss/base/random.h"
#include "bitloss/base/sum.h"
#include "bitloss/model/observed.h"

namespace bitloss {
namespace {

double StandardDeviation(const Matrix& weights) {
  const double count = static_cast<double>(weights.rows()) * static_cast<double>(weights.cols());
  Sum sum;
  for (size_t row = 0; row < weights.rows(); ++row) {
    for (const float weight : weights.Row(row)) sum.Add(weight);
  }
  const double mean = sum.Total() / count;
  Sum squares;
  for (size_t row = 0; row < weights.rows(); ++row) {
    for (const float weight : weights.Row(row)) squares.Add((weight - mean) * (weight - mean));
  }
  return std::sqrt(squares.Total() / count);
}

// Two standard normals from 64 bits (Box and Muller 1958), each of 32 bits.
std::pair<double, double> GaussianPair(uint64_t bits) {
  const double u = (static_cast<double>(bits >> 32) + 0.5) * 0x1p-32;
  const double v = (static_cast<double>(bits & 0xFFFFFFFF) + 0.5) * 0x1p-32;
  const double radius = std::sqrt(-2 * std::log(u));
  return {radius * std::cos(2 * std::numbers::pi * v), radius * std::sin(2 * std::numbers::pi * v)};
}

Matrix NoisyCopy(const Matrix& weights, const RandomStream& random, double scale,
                 ThreadPool& threads) {
  const double size = scale * StandardDeviation(weights);
  Matrix noisy(weights.rows(), weights.cols());
  threads.ForEachPart(weights.rows(), [&](size_t row, size_t) {
    const std::span<const float> from = weights.Row(row);
    const std::span<float> to = noisy.Row(row);
    for (size_t col = 0; col < to.size(); col += 2) {
      const auto [first, second] = GaussianPair(random.Bits(row, col / 2));
      to[col] = static_cast<float>(from[col] + size * first);
      if (col + 1 < to.size()) to[col + 1] = static_cast<float>(from[col + 1] + size * second);
    }
  });
  return noisy;
}

}  // namespace

LayerSource WithNoise(const LayerSource& source, size_t layer, double scale, uint64_t seed,
                      ThreadPool& threads) {
  LayerSource noisy = CopyOfKept(source);
  for (size_t i = 0; i < source.weights.size(); ++i) {
    const RandomStream random(seed,
                              fmt::format("noise {} {}", layer, source.plan->linears[i].Name()));
    noisy.weights[i] = NoisyCopy(source.weights[i], random, scale, threads);
  }
  return noisy;
}

}  // namespace bitloss

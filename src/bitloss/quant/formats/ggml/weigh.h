// Sums of a block's weights and what its importances become. float32, in ascending order: as the
// reference takes them, so that ties fall alike.
#ifndef BITLOSS_QUANT_FORMATS_GGML_WEIGH_H_
#define BITLOSS_QUANT_FORMATS_GGML_WEIGH_H_

#include <cmath>
#include <cstddef>
#include <span>

namespace bitloss {

inline float SumOfSquares(std::span<const float> x) {
  float sum = 0.0f;
  for (const float value : x) sum += value * value;
  return sum;
}

inline float SumOf(std::span<const float> x) {
  float sum = 0.0f;
  for (const float value : x) sum += value;
  return sum;
}

// importance * sqrt(mean_square + w^2).
inline void Weigh(std::span<const float> weights, std::span<const float> importance,
                  float mean_square, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = importance[i] * std::sqrt(mean_square + weights[i] * weights[i]);
  }
}

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_GGML_WEIGH_H_

#ifndef BITLOSS_QUANT_ACTIVATIONS_ABS_MAX_H_
#define BITLOSS_QUANT_ACTIVATIONS_ABS_MAX_H_

#include <algorithm>
#include <cmath>
#include <span>

namespace bitloss {

// The largest magnitude; 0 of none.
inline float AbsMax(std::span<const float> values) {
  float absmax = 0.0f;
  for (const float value : values) absmax = std::max(absmax, std::abs(value));
  return absmax;
}

}  // namespace bitloss

#endif  // BITLOSS_QUANT_ACTIVATIONS_ABS_MAX_H_

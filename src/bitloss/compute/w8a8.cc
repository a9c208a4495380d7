#include "bitloss/compute/w8a8.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "bitloss/base/check.h"

namespace bitloss {
namespace {

constexpr float kMaxCode = 127.0f;
constexpr float kLeastMagnitude = 1e-5f;

}  // namespace

float RoundToInt8(std::span<const float> x, const Execution& execution, std::span<float> codes) {
  BITLOSS_CHECK(execution.kind == Execution::Kind::kW8A8);
  float absmax = 0.0f;
  bool finite = true;
  for (const float value : x) {
    finite &= std::isfinite(value);
    absmax = std::max(absmax, std::abs(value));
  }
  if (!finite) {
    std::ranges::fill(codes, 0.0f);
    return std::numeric_limits<float>::quiet_NaN();
  }
  const float scale = execution.static_activations ? execution.activation_scale
                                                   : std::max(absmax, kLeastMagnitude) / kMaxCode;
  for (size_t i = 0; i < x.size(); ++i) {
    // A static scale is 0 where calibration saw zeros only.
    const float steps = scale == 0.0f ? 0.0f : x[i] / scale;
    codes[i] = std::nearbyint(std::clamp(steps, -kMaxCode, kMaxCode));
  }
  return scale;
}

}  // namespace bitloss

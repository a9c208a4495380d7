// A scale for each token, or for all tokens; codes of eight bits. Engines differ in three places:
//
//   vLLM, symmetric     s = absmax / 127; code = RNE(x * (127 / absmax)), at most 127
//   vLLM, asymmetric    s = (max - min) / 255; zero = RNE(-128 - min / s);
//                       code = RNE(x * (1 / s)) + zero, cut to -128..127
//   compressed-tensors  s = absmax / 127.5; code = RNE(x / s), cut to -128..127
//     asymmetric        the range holds 0; s = (max - min) / 255; zero = RNE(-128 - min / s);
//                       code = RNE(x / s + zero), cut to -128..127
//
// A row of zeros stays one. (Sources: vLLM csrc/quantization/w8a8/int8; compressed-tensors 0.20.1
// calculate_qparams, fake_quantize.)
#include <algorithm>
#include <array>
#include <cmath>

#include "bitloss/quant/activations/abs_max.h"
#include "bitloss/quant/activations/activation_rounding.h"

namespace bitloss {
namespace {

constexpr float kLeast = -128.0f;
constexpr float kLargest = 127.0f;
constexpr float kSteps = 255.0f;

float Cut(float code) { return std::clamp(code, kLeast, kLargest); }

void RoundSymmetric(float, std::span<float> row) {
  const float absmax = AbsMax(row);
  if (absmax == 0.0f) return;
  const float scale = absmax / kLargest;
  const float inverse = kLargest / absmax;
  for (float& value : row) value = Cut(std::nearbyint(value * inverse)) * scale;
}

void RoundAsymmetric(float, std::span<float> row) {
  const auto [min, max] = std::ranges::minmax(row);
  const float scale = (max - min) / kSteps;
  if (scale == 0.0f) return;  // all numbers are equal
  const float inverse = 1.0f / scale;
  const float zero = std::nearbyint(kLeast - min / scale);
  for (float& value : row) {
    value = (Cut(std::nearbyint(value * inverse) + zero) - zero) * scale;
  }
}

void RoundHalfStepsBy(float scale, std::span<float> row) {
  if (scale == 0.0f) {  // zeros, or calibration saw zeros only
    std::ranges::fill(row, 0.0f);
    return;
  }
  for (float& value : row) value = std::nearbyint(Cut(value / scale)) * scale;
}

float HalfSteps(float absmax) { return absmax / (kSteps / 2); }

void RoundHalfSteps(float, std::span<float> row) { RoundHalfStepsBy(HalfSteps(AbsMax(row)), row); }

void RoundAroundZero(float, std::span<float> row) {
  const auto [least, largest] = std::ranges::minmax(row);
  const float min = std::min(least, 0.0f);
  const float scale = (std::max(largest, 0.0f) - min) / kSteps;
  if (scale == 0.0f) return;
  const float zero = std::nearbyint(Cut(kLeast - min / scale));
  for (float& value : row) value = (std::nearbyint(Cut(value / scale + zero)) - zero) * scale;
}

constexpr std::string_view kVllm = "vLLM";
constexpr std::string_view kCt = "compressed-tensors 0.20.1";
constexpr std::array<std::string_view, 1> kInt8 = {"int8_row"};
constexpr std::array<std::string_view, 4> kGroups = {"int4_group", "int3_group", "int2_group",
                                                     "int8_group"};

}  // namespace

std::span<const ActivationRounding> Int8Roundings() {
  static const std::array kList = {
      ActivationRounding{"w8a8:asym", "int8 inputs between each token's least and largest", kVllm,
                         kInt8, nullptr, RoundAsymmetric},
      ActivationRounding{"w8a8:ct", "int8 inputs, 127.5 steps to each token's largest", kCt, kInt8,
                         nullptr, RoundHalfSteps},
      ActivationRounding{"w8a8:ct:asym", "int8 inputs over a range that holds 0", kCt, kInt8,
                         nullptr, RoundAroundZero},
      ActivationRounding{"w8a8:ct:static", "the scale of w8a8:ct from calibration, for all tokens",
                         kCt, kInt8, HalfSteps, RoundHalfStepsBy},
      ActivationRounding{"w4a8", "int8 inputs, a scale for each token; weights decoded", kVllm,
                         kGroups, nullptr, RoundSymmetric},
      ActivationRounding{"w4a8:asym", "the same between each token's least and largest", kVllm,
                         kGroups, nullptr, RoundAsymmetric},
      ActivationRounding{"w4a8:ct", "the same, 127.5 steps to each token's largest", kCt, kGroups,
                         nullptr, RoundHalfSteps},
  };
  return kList;
}

}  // namespace bitloss

#include "bitloss/model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace bitloss {
namespace {

// transformers' llama3 rule (modeling_rope_utils.py), for one frequency.
double Scaled(const Llama3RopeScaling& scaling, double frequency) {
  const double wavelength = 2.0 * std::numbers::pi / frequency;
  const auto original = static_cast<double>(scaling.original_max_positions);
  if (wavelength < original / scaling.high_freq_factor) return frequency;
  if (wavelength > original / scaling.low_freq_factor) return frequency / scaling.factor;
  const double smooth = (original / wavelength - scaling.low_freq_factor) /
                        (scaling.high_freq_factor - scaling.low_freq_factor);
  return (1.0 - smooth) * frequency / scaling.factor + smooth * frequency;
}

// The dimension whose frequency turns `turns` times within the original positions.
double DimensionOf(const YarnRopeScaling& scaling, double turns, double theta, double rotated) {
  const auto original = static_cast<double>(scaling.original_max_positions);
  return rotated * std::log(original / (turns * 2.0 * std::numbers::pi)) / (2.0 * std::log(theta));
}

double Scaled(const YarnRopeScaling& scaling, double frequency, size_t k, double theta,
              double rotated) {
  double low = DimensionOf(scaling, scaling.beta_fast, theta, rotated);
  double high = DimensionOf(scaling, scaling.beta_slow, theta, rotated);
  if (scaling.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, rotated - 1.0);
  if (low == high) high += 0.001;
  const double ramp = std::clamp((static_cast<double>(k) - low) / (high - low), 0.0, 1.0);
  return frequency * (1.0 - ramp) + frequency / scaling.factor * ramp;
}

struct ScaleFrequency {
  double frequency;
  size_t k;
  double theta;
  double rotated;
  SequenceLength length;

  double operator()(const NoRopeScaling&) const { return frequency; }
  double operator()(const LinearRopeScaling& scaling) const { return frequency / scaling.factor; }
  double operator()(const Llama3RopeScaling& scaling) const { return Scaled(scaling, frequency); }
  double operator()(const FactorsRopeScaling& scaling) const {
    return frequency / double{scaling.factors[k]};
  }
  double operator()(const YarnRopeScaling& scaling) const {
    return Scaled(scaling, frequency, k, theta, rotated);
  }
  double operator()(const LongRopeScaling& scaling) const {
    const std::vector<float>& factors =
        length == SequenceLength::kOriginal ? scaling.short_factors : scaling.long_factors;
    return frequency / double{factors[k]};
  }
  double operator()(const ProportionalRopeScaling& scaling) const {
    return k < scaling.turning ? frequency / scaling.factor : 0.0;
  }
};

}  // namespace

std::vector<double> RopeInverseFrequencies(const RopeConfig& rope, size_t head_dim,
                                           SequenceLength length) {
  const size_t rotated = rope.rotated > 0 ? rope.rotated : head_dim;
  std::vector<double> frequencies(rotated / 2);
  for (size_t k = 0; k < frequencies.size(); ++k) {
    const double exponent = -2.0 * static_cast<double>(k) / static_cast<double>(rotated);
    const double plain = std::pow(rope.theta, exponent);
    frequencies[k] = std::visit(
        ScaleFrequency{plain, k, rope.theta, static_cast<double>(rotated), length}, rope.scaling);
  }
  return frequencies;
}

size_t OriginalLength(const RopeConfig& rope) {
  const auto* scaling = std::get_if<LongRopeScaling>(&rope.scaling);
  return scaling == nullptr ? 0 : scaling->original_max_positions;
}

}  // namespace bitloss

#include "bitloss/quant/activations/activation_rounding.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace bitloss {

const std::vector<ActivationRounding>& ActivationRoundings() {
  static const std::vector<ActivationRounding> kAll = [] {
    std::vector<ActivationRounding> all;
    for (const auto list : {Int8Roundings(), Fp8Roundings(), BlockFloatRoundings()}) {
      all.insert(all.end(), list.begin(), list.end());
    }
    return all;
  }();
  return kAll;
}

Status CheckRounding(const ActivationRounding& rounding, const Format& weights) {
  for (const std::string_view name : rounding.formats) {
    if (weights.name == name || weights.name.starts_with(fmt::format("{}:", name))) return Ok();
  }
  return Unsupported("@{} rounds what meets weights in {}, not in {}", rounding.name,
                     fmt::join(rounding.formats, ", "), weights.name);
}

void ApplyRounding(const ActivationRounding& rounding, float scale, std::span<float> row) {
  if (!std::ranges::all_of(row, [](float value) { return std::isfinite(value); })) {
    std::ranges::fill(row, std::numeric_limits<float>::quiet_NaN());
    return;
  }
  rounding.round(scale, row);
}

}  // namespace bitloss

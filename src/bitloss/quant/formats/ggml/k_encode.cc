// The encoders of k_blocks.h.
#include <algorithm>
#include <cmath>

#include "bitloss/quant/formats/ggml/code_search.h"
#include "bitloss/quant/formats/ggml/k_blocks.h"
#include "bitloss/quant/formats/ggml/weigh.h"

namespace bitloss {
namespace {

using Codes = std::array<uint8_t, kKBlock>;

// What the searches of a block's sub-blocks found.
template <size_t kGroups>
struct Found {
  std::array<float, kGroups> scales;
  std::array<float, kGroups> mins;
  std::array<float, kGroups> sums;  // of the importances of a sub-block
};

// Sub-blocks of value = scale * q - min.
template <size_t kGroups, class Importances>
Found<kGroups> SearchPairs(const AsymmetricSearch& search, KWeights weights,
                           const Importances& importances_of, Codes& codes) {
  constexpr size_t kSize = kKBlock / kGroups;
  Found<kGroups> found;
  std::array<float, kSize> importance;
  for (size_t s = 0; s < kGroups; ++s) {
    const std::span<const float> group = weights.subspan(s * kSize, kSize);
    importances_of(s * kSize, group, std::span<float>(importance));
    const AsymmetricScale best =
        SearchAsymmetric(search, group, importance, std::span(codes).subspan(s * kSize, kSize));
    found.scales[s] = best.scale;
    found.mins[s] = best.min;
    found.sums[s] = SumOf(importance);
  }
  return found;
}

// Codes to nearest for the scales and mins that will be decoded; where the scale is 0, those of the
// search stay.
void RoundPairs(std::span<const float> group, float scale, float min, int max_code,
                uint8_t* codes) {
  if (scale == 0.0f) return;
  for (size_t i = 0; i < group.size(); ++i) {
    codes[i] =
        static_cast<uint8_t>(std::clamp(GgmlNearestInt((group[i] + min) / scale), 0, max_code));
  }
}

void RoundSymmetric(std::span<const float> group, float scale, int half, uint8_t* codes) {
  if (scale == 0.0f) return;
  for (size_t i = 0; i < group.size(); ++i) {
    codes[i] =
        static_cast<uint8_t>(std::clamp(GgmlNearestInt(group[i] / scale), -half, half - 1) + half);
  }
}

void PackTwoBits(const Codes& codes, std::array<uint8_t, kKBlock / 4>& qs) {
  qs = {};
  for (size_t e = 0; e < kKBlock; ++e) {
    qs[e / 128 * 32 + e % 32] |= static_cast<uint8_t>((codes[e] & 3) << (2 * (e % 128 / 32)));
  }
}

void PackFourBits(const Codes& codes, std::array<uint8_t, kKBlock / 2>& qs) {
  qs = {};
  for (size_t e = 0; e < kKBlock; ++e) {
    qs[e / 64 * 32 + e % 32] |= static_cast<uint8_t>((codes[e] & 15) << (e % 64 < 32 ? 0 : 4));
  }
}

// Bit `bit` of weight e as bit e / 32 of byte e % 32.
void PackHighBits(const Codes& codes, int bit, std::array<uint8_t, kKBlock / 8>& out) {
  out = {};
  for (size_t e = 0; e < kKBlock; ++e) {
    out[e % 32] |= static_cast<uint8_t>((codes[e] >> bit & 1) << (e / 32));
  }
}

// The integers of a super-block's scales or mins, and what they multiply.
struct Integers {
  float factor = 0.0f;
  std::array<uint8_t, 16> values{};
};

// Largest to `max_code`, the others to nearest.
Integers RoundToLargest(std::span<const float> values, int max_code, bool clamped) {
  Integers integers;
  const float largest = std::max(0.0f, *std::ranges::max_element(values));
  const auto steps = static_cast<float>(max_code);
  integers.factor = largest / steps;
  if (!(largest > 0.0f)) return integers;
  const float inverse = steps / largest;
  for (size_t s = 0; s < values.size(); ++s) {
    const auto code = static_cast<uint8_t>(GgmlNearestInt(inverse * values[s]));
    integers.values[s] = clamped ? std::min<uint8_t>(code, static_cast<uint8_t>(max_code)) : code;
  }
  return integers;
}

Integers SearchIntegers(std::span<const float> values, std::span<const float> sums, int max_code) {
  Integers integers;
  integers.factor = SearchPositive(max_code, values, sums, integers.values);
  return integers;
}

// Q4_K and Q5_K up to the packing of codes.
template <class Block>
void EncodePairs(const AsymmetricSearch& unweighted, KWeights weights,
                 const GgmlImportance& importance, Codes& codes, Block& block) {
  constexpr size_t kGroups = 8;
  constexpr size_t kSize = kKBlock / kGroups;
  const bool weighted = !importance.of_weights.empty();
  AsymmetricSearch search = unweighted;
  if (weighted) search = {unweighted.max_code, -0.9f, 0.05f, 36, unweighted.error};
  const float block_square = weighted ? 2 * SumOfSquares(weights) / kKBlock : 0.0f;
  const auto importances_of = [&](size_t first, std::span<const float> group,
                                  std::span<float> out) {
    if (weighted) {
      Weigh(group, importance.of_weights.subspan(first, kSize), block_square, out);
      return;
    }
    const float root = std::sqrt(SumOfSquares(group) / kSize);
    for (size_t i = 0; i < kSize; ++i) out[i] = root + std::abs(group[i]);
  };
  const auto found = SearchPairs<kGroups>(search, weights, importances_of, codes);
  const Integers scales = weighted ? SearchIntegers(found.scales, found.sums, 63)
                                   : RoundToLargest(found.scales, 63, true);
  const Integers mins =
      weighted ? SearchIntegers(found.mins, found.sums, 63) : RoundToLargest(found.mins, 63, true);
  block.d = RoundToF16(scales.factor);
  block.dmin = RoundToF16(mins.factor);
  block.scales = PackSixBitPairs(std::span<const uint8_t, kGroups>(scales.values.data(), kGroups),
                                 std::span<const uint8_t, kGroups>(mins.values.data(), kGroups));
  for (size_t s = 0; s < kGroups; ++s) {
    RoundPairs(weights.subspan(s * kSize, kSize),
               ToFloat(block.d) * static_cast<float>(block.scales.Scale(s)),
               ToFloat(block.dmin) * static_cast<float>(block.scales.Min(s)), search.max_code,
               codes.data() + s * kSize);
  }
}

// The element of largest magnitude, with its sign; the first of several.
float SignedExtreme(std::span<const float> values) {
  return *std::ranges::max_element(values, {}, [](float v) { return std::abs(v); });
}

}  // namespace

void Encode(KWeights weights, const GgmlImportance& importance, BlockQ2_K& block) {
  constexpr size_t kGroups = 16;
  constexpr size_t kSize = kKBlock / kGroups;
  const bool weighted = !importance.of_weights.empty();
  const float block_square = weighted ? SumOfSquares(weights) / kKBlock : 0.0f;
  const AsymmetricSearch search =
      weighted ? AsymmetricSearch{3, -0.9f, 0.05f, 36, AsymmetricSearch::Error::kSquared}
               : AsymmetricSearch{3, -0.5f, 0.1f, 15, AsymmetricSearch::Error::kAbsolute};
  const auto importances_of = [&](size_t first, std::span<const float> group,
                                  std::span<float> out) {
    if (weighted) {
      Weigh(group, importance.of_weights.subspan(first, kSize), block_square, out);
      return;
    }
    for (size_t i = 0; i < kSize; ++i) out[i] = std::abs(group[i]);
  };
  Codes codes;
  const auto found = SearchPairs<kGroups>(search, weights, importances_of, codes);
  const Integers scales = weighted ? SearchIntegers(found.scales, found.sums, 15)
                                   : RoundToLargest(found.scales, 15, false);
  const Integers mins =
      weighted ? SearchIntegers(found.mins, found.sums, 15) : RoundToLargest(found.mins, 15, false);
  block.d = RoundToF16(scales.factor);
  block.dmin = RoundToF16(mins.factor);
  for (size_t s = 0; s < kGroups; ++s) {
    block.scales[s] = static_cast<uint8_t>(scales.values[s] | mins.values[s] << 4);
    RoundPairs(weights.subspan(s * kSize, kSize),
               ToFloat(block.d) * static_cast<float>(block.scales[s] & 15),
               ToFloat(block.dmin) * static_cast<float>(block.scales[s] >> 4), 3,
               codes.data() + s * kSize);
  }
  PackTwoBits(codes, block.qs);
}

void Encode(KWeights weights, const GgmlImportance& importance, BlockQ3_K& block) {
  constexpr size_t kGroups = 16;
  constexpr size_t kSize = kKBlock / kGroups;
  constexpr int kHalf = 4;
  const bool weighted = !importance.of_weights.empty();
  const float block_square = weighted ? 2 * SumOfSquares(weights) / kKBlock : 0.0f;
  Codes codes;
  std::array<float, kGroups> scales;
  std::array<float, kGroups> sums{};
  for (size_t s = 0; s < kGroups; ++s) {
    const std::span<const float> group = weights.subspan(s * kSize, kSize);
    const std::span<uint8_t> group_codes = std::span(codes).subspan(s * kSize, kSize);
    if (!weighted) {
      scales[s] = SearchByCoordinate(kHalf, group, group_codes);
      continue;
    }
    std::array<float, kSize> weighed;
    Weigh(group, importance.of_weights.subspan(s * kSize, kSize), block_square, weighed);
    sums[s] = SumOf(weighed);
    scales[s] = SearchSymmetric(kHalf, group, weighed, group_codes);
  }
  std::array<uint8_t, kGroups> integers{};
  float d = 0.0f;
  if (weighted) {
    d = SearchSymmetric(32, scales, sums, integers);
  } else if (const float largest = SignedExtreme(scales); largest != 0.0f) {
    const float inverse = -32.0f / largest;
    for (size_t s = 0; s < kGroups; ++s) {
      const auto code = static_cast<int8_t>(GgmlNearestInt(inverse * scales[s]));
      integers[s] = static_cast<uint8_t>(std::clamp<int>(code, -32, 31) + 32);
    }
    d = 1 / inverse;
  }
  block.d = RoundToF16(d);
  block.scales = PackSixBitScales(integers);
  for (size_t s = 0; s < kGroups; ++s) {
    RoundSymmetric(weights.subspan(s * kSize, kSize),
                   ToFloat(block.d) * static_cast<float>(block.scales[s] - 32), kHalf,
                   codes.data() + s * kSize);
  }
  PackHighBits(codes, 2, block.hmask);
  PackTwoBits(codes, block.qs);
}

void Encode(KWeights weights, const GgmlImportance& importance, BlockQ4_K& block) {
  Codes codes;
  EncodePairs({15, -1.0f, 0.1f, 20, AsymmetricSearch::Error::kSquared}, weights, importance, codes,
              block);
  PackFourBits(codes, block.qs);
}

void Encode(KWeights weights, const GgmlImportance& importance, BlockQ5_K& block) {
  Codes codes;
  EncodePairs({31, -0.5f, 0.1f, 15, AsymmetricSearch::Error::kSquared}, weights, importance, codes,
              block);
  PackHighBits(codes, 4, block.qh);
  PackFourBits(codes, block.qs);
}

void Encode(KWeights weights, const GgmlImportance& importance, BlockQ6_K& block) {
  constexpr size_t kGroups = 16;
  constexpr size_t kSize = kKBlock / kGroups;
  constexpr int kHalf = 32;
  Codes codes;
  std::array<float, kGroups> scales;
  for (size_t s = 0; s < kGroups; ++s) {
    const std::span<const float> group_importance =
        importance.of_weights.empty() ? importance.of_weights
                                      : importance.of_weights.subspan(s * kSize, kSize);
    scales[s] = SearchSymmetric(kHalf, weights.subspan(s * kSize, kSize), group_importance,
                                std::span(codes).subspan(s * kSize, kSize));
  }
  const float largest = SignedExtreme(scales);
  if (std::abs(largest) < kGgmlNoScale) {
    block = {};
    return;
  }
  const float inverse = -128.0f / largest;
  block.d = RoundToF16(1 / inverse);
  for (size_t s = 0; s < kGroups; ++s) {
    block.scales[s] = static_cast<int8_t>(std::min(127, GgmlNearestInt(inverse * scales[s])));
    RoundSymmetric(weights.subspan(s * kSize, kSize),
                   ToFloat(block.d) * static_cast<float>(block.scales[s]), kHalf,
                   codes.data() + s * kSize);
  }
  block.ql = {};
  block.qh = {};
  for (size_t e = 0; e < kKBlock; ++e) {
    const size_t half = e / 128, quarter = e % 128 / 32, l = e % 32;
    block.ql[64 * half + 32 * (quarter % 2) + l] |=
        static_cast<uint8_t>((codes[e] & 15) << (quarter < 2 ? 0 : 4));
    block.qh[32 * half + l] |= static_cast<uint8_t>((codes[e] >> 4) << (2 * quarter));
  }
}

void Encode(KWeights weights, const GgmlImportance& importance, BlockIQ4_XS& block) {
  constexpr size_t kGroups = 8;
  constexpr size_t kSize = kKBlock / kGroups;
  const bool weighted = !importance.of_weights.empty();
  const float block_square = SumOfSquares(weights) * (2.0f / kKBlock);
  std::array<float, kGroups> scales;
  for (size_t s = 0; s < kGroups; ++s) {
    const auto group = weights.subspan(s * kSize).first<kSize>();
    std::array<float, kSize> weighed;
    if (weighted) {
      Weigh(group, importance.of_weights.subspan(s * kSize, kSize), block_square, weighed);
    } else {
      for (size_t i = 0; i < kSize; ++i) weighed[i] = group[i] * group[i];
    }
    scales[s] = SearchIq4Scale(group, weighed);
  }
  const float d = -SignedExtreme(scales) / 32;
  const float inverse = d != 0.0f ? 1 / d : 0.0f;
  block = {};
  block.d = RoundToF16(d);
  int high = 0;
  for (size_t s = 0; s < kGroups; ++s) {
    const int integer = std::clamp(GgmlNearestInt(inverse * scales[s]), -32, 31);
    const float scale = d * static_cast<float>(integer);
    const float inverse_scale = scale != 0.0f ? 1 / scale : 0.0f;
    std::array<uint8_t, kSize> codes;
    NearestIq4Levels(weights.subspan(s * kSize, kSize), inverse_scale, codes);
    for (size_t i = 0; i < kSize; ++i) {
      block.qs[s * 16 + i % 16] |= static_cast<uint8_t>(codes[i] << (i < 16 ? 0 : 4));
    }
    block.scales_l[s / 2] |= static_cast<uint8_t>(((integer + 32) & 15) << (4 * (s % 2)));
    high |= (integer + 32) >> 4 << (2 * s);
  }
  block.scales_h = {static_cast<uint8_t>(high), static_cast<uint8_t>(high >> 8)};
}

}  // namespace bitloss

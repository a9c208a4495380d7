#include "bitloss/quant/formats/ggml/legacy_blocks.h"

#include <algorithm>
#include <cmath>

#include "bitloss/quant/formats/ggml/code_search.h"

namespace bitloss {
namespace {

constexpr size_t kHalf = kLegacyBlock / 2;

using Codes = std::array<uint8_t, kLegacyBlock>;

void UnpackHalves(const std::array<uint8_t, kHalf>& qs, BlockCodes& out) {
  for (size_t j = 0; j < kHalf; ++j) {
    out.codes[j] = qs[j] & 0xF;
    out.codes[j + kHalf] = qs[j] >> 4;
  }
}

void AddFifthBits(const std::array<uint8_t, 4>& qh, BlockCodes& out) {
  for (size_t e = 0; e < kLegacyBlock; ++e) {
    out.codes[e] |= static_cast<uint8_t>((qh[e / 8] >> (e % 8) & 1) << 4);
  }
}

void PackHalves(std::span<const uint8_t> codes, std::array<uint8_t, kHalf>& qs) {
  for (size_t j = 0; j < kHalf; ++j) {
    qs[j] = static_cast<uint8_t>((codes[j] & 0xF) | (codes[j + kHalf] & 0xF) << 4);
  }
}

void PackFifthBits(std::span<const uint8_t> codes, std::array<uint8_t, 4>& qh) {
  qh = {};
  for (size_t e = 0; e < kLegacyBlock; ++e) {
    qh[e / 8] |= static_cast<uint8_t>((codes[e] >> 4 & 1) << (e % 8));
  }
}

float Inverse(float d) { return d == 0.0f ? 0.0f : 1.0f / d; }

float SignedExtreme(LegacyWeights weights) {
  return *std::ranges::max_element(weights, {}, [](float w) { return std::abs(w); });
}

// Importances as the search wants them: of_weights * sqrt(s + w^2).
std::array<float, kLegacyBlock> Weighted(LegacyWeights weights, std::span<const float> importance,
                                         float mean_square) {
  std::array<float, kLegacyBlock> weighted;
  for (size_t i = 0; i < kLegacyBlock; ++i) {
    weighted[i] = importance[i] * std::sqrt(mean_square + weights[i] * weights[i]);
  }
  return weighted;
}

// Q4_0 (half 8) and Q5_0 (half 16).
F16 EncodeSymmetric(LegacyWeights weights, const GgmlImportance& importance, int half,
                    Codes& codes) {
  if (!importance.of_weights.empty()) {
    const auto weighted = Weighted(weights, importance.of_weights, importance.row_mean_square);
    return RoundToF16(SearchSymmetric(half, weights, weighted, codes));
  }
  const float d = SignedExtreme(weights) / static_cast<float>(-half);
  const float inverse = Inverse(d);
  const float shift = static_cast<float>(half) + 0.5f;
  for (size_t i = 0; i < kLegacyBlock; ++i) {
    const int whole = static_cast<int>(weights[i] * inverse + shift);
    codes[i] = static_cast<uint8_t>(std::clamp(whole, 0, 2 * half - 1));
  }
  return RoundToF16(d);
}

// Q4_1 (max_code 15) and Q5_1 (31).
struct ScaleAndMin {
  F16 d;
  F16 m;
};
ScaleAndMin EncodeAsymmetric(LegacyWeights weights, const GgmlImportance& importance, int max_code,
                             Codes& codes) {
  if (!importance.of_weights.empty()) {
    const auto weighted = Weighted(weights, importance.of_weights, importance.row_mean_square);
    const AsymmetricSearch search = {max_code, -0.9f, 0.05f, 36, AsymmetricSearch::Error::kSquared};
    const AsymmetricScale found = SearchAsymmetric(search, weights, weighted, codes);
    return {RoundToF16(found.scale), RoundToF16(-found.min)};
  }
  const auto [low, high] = std::ranges::minmax(weights);
  const float d = (high - low) / static_cast<float>(max_code);
  const float inverse = Inverse(d);
  for (size_t i = 0; i < kLegacyBlock; ++i) {
    const int whole = static_cast<int>((weights[i] - low) * inverse + 0.5f);
    codes[i] = static_cast<uint8_t>(std::min(whole, max_code));
  }
  return {RoundToF16(d), RoundToF16(low)};
}

}  // namespace

void Unpack(const BlockQ4_0& block, BlockCodes& out) {
  UnpackHalves(block.qs, out);
  out.scales[0] = ToFloat(block.d);
  out.zeros[0] = 8.0f;
}

void Unpack(const BlockQ4_1& block, BlockCodes& out) {
  UnpackHalves(block.qs, out);
  out.scales[0] = ToFloat(block.d);
  out.zeros[0] = ToFloat(block.m);
}

void Unpack(const BlockQ5_0& block, BlockCodes& out) {
  UnpackHalves(block.qs, out);
  AddFifthBits(block.qh, out);
  out.scales[0] = ToFloat(block.d);
  out.zeros[0] = 16.0f;
}

void Unpack(const BlockQ5_1& block, BlockCodes& out) {
  UnpackHalves(block.qs, out);
  AddFifthBits(block.qh, out);
  out.scales[0] = ToFloat(block.d);
  out.zeros[0] = ToFloat(block.m);
}

void Unpack(const BlockQ8_0& block, BlockCodes& out) {
  for (size_t e = 0; e < kLegacyBlock; ++e) {
    out.codes[e] = static_cast<uint8_t>(block.qs[e] + 128);
  }
  out.scales[0] = ToFloat(block.d);
  out.zeros[0] = 128.0f;
}

void Unpack(const BlockIQ4_NL& block, BlockCodes& out) {
  UnpackHalves(block.qs, out);
  out.scales[0] = ToFloat(block.d);
}

void Pack(const BlockCodes& codes, BlockQ4_0& block) {
  block.d = RoundToF16(codes.scales[0]);
  PackHalves(codes.codes, block.qs);
}

void Pack(const BlockCodes& codes, BlockQ4_1& block) {
  block.d = RoundToF16(codes.scales[0]);
  block.m = RoundToF16(codes.zeros[0]);
  PackHalves(codes.codes, block.qs);
}

void Pack(const BlockCodes& codes, BlockQ5_0& block) {
  block.d = RoundToF16(codes.scales[0]);
  PackHalves(codes.codes, block.qs);
  PackFifthBits(codes.codes, block.qh);
}

void Pack(const BlockCodes& codes, BlockQ5_1& block) {
  block.d = RoundToF16(codes.scales[0]);
  block.m = RoundToF16(codes.zeros[0]);
  PackHalves(codes.codes, block.qs);
  PackFifthBits(codes.codes, block.qh);
}

void Pack(const BlockCodes& codes, BlockQ8_0& block) {
  block.d = RoundToF16(codes.scales[0]);
  for (size_t e = 0; e < kLegacyBlock; ++e) {
    block.qs[e] = static_cast<int8_t>(static_cast<int>(codes.codes[e]) - 128);
  }
}

void Pack(const BlockCodes& codes, BlockIQ4_NL& block) {
  block.d = RoundToF16(codes.scales[0]);
  PackHalves(codes.codes, block.qs);
}

void Encode(LegacyWeights weights, const GgmlImportance& importance, BlockQ4_0& block) {
  Codes codes;
  block.d = EncodeSymmetric(weights, importance, 8, codes);
  PackHalves(codes, block.qs);
}

void Encode(LegacyWeights weights, const GgmlImportance& importance, BlockQ4_1& block) {
  Codes codes;
  const ScaleAndMin found = EncodeAsymmetric(weights, importance, 15, codes);
  block.d = found.d;
  block.m = found.m;
  PackHalves(codes, block.qs);
}

void Encode(LegacyWeights weights, const GgmlImportance& importance, BlockQ5_0& block) {
  Codes codes;
  block.d = EncodeSymmetric(weights, importance, 16, codes);
  PackHalves(codes, block.qs);
  PackFifthBits(codes, block.qh);
}

void Encode(LegacyWeights weights, const GgmlImportance& importance, BlockQ5_1& block) {
  Codes codes;
  const ScaleAndMin found = EncodeAsymmetric(weights, importance, 31, codes);
  block.d = found.d;
  block.m = found.m;
  PackHalves(codes, block.qs);
  PackFifthBits(codes, block.qh);
}

void Encode(LegacyWeights weights, const GgmlImportance&, BlockQ8_0& block) {
  const float d = std::abs(SignedExtreme(weights)) / 127.0f;
  const float inverse = Inverse(d);
  for (size_t i = 0; i < kLegacyBlock; ++i) {
    block.qs[i] = static_cast<int8_t>(std::round(weights[i] * inverse));
  }
  block.d = RoundToF16(d);
}

float SearchIq4Scale(LegacyWeights weights, std::span<const float, kLegacyBlock> importance) {
  constexpr int kTries = 7;
  static_assert(kIq4Candidates == 2 * kTries + 2);
  const float extreme = SignedExtreme(weights);
  if (std::abs(extreme) < kGgmlNoScale) return 0.0f;
  std::array<float, kIq4Candidates> inverses;
  inverses[0] = 1 / (-extreme / kIq4Levels[0]);
  for (int k = -kTries; k <= kTries; ++k) {
    inverses[static_cast<size_t>(k + kTries + 1)] =
        (static_cast<float>(k) + kIq4Levels[0]) / extreme;
  }
  const Iq4Fits fits = FitIq4Levels(weights, importance, inverses);
  float d = fits.q2[0] > 0 ? fits.qx[0] / fits.q2[0] : 0.0f;
  float best = d * fits.qx[0];
  for (size_t k = 1; k < kIq4Candidates; ++k) {
    const float qx = fits.qx[k], q2 = fits.q2[k];
    if (!(q2 > 0 && qx * qx > best * q2)) continue;
    d = qx / q2;
    best = d * qx;
  }
  return d;
}

void Encode(LegacyWeights weights, const GgmlImportance& importance, BlockIQ4_NL& block) {
  std::array<float, kLegacyBlock> squares;
  float sum = 0.0f;
  for (size_t i = 0; i < kLegacyBlock; ++i) {
    squares[i] = weights[i] * weights[i];
    sum += squares[i];
  }
  const float d = SearchIq4Scale(
      weights, importance.of_weights.empty()
                   ? squares
                   : Weighted(weights, importance.of_weights, sum * (2.0f / kLegacyBlock)));
  const float inverse = Inverse(d);
  Codes codes;
  NearestIq4Levels(weights, inverse, codes);
  PackHalves(codes, block.qs);
  block.d = RoundToF16(d);
}

}  // namespace bitloss

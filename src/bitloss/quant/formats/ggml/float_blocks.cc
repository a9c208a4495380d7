#include "bitloss/quant/formats/ggml/float_blocks.h"

#include <algorithm>
#include <cmath>

namespace bitloss {
namespace {

float HalfE8M0(uint8_t e) { return std::ldexp(1.0f, e - 128); }

float HalfE4M3(uint8_t bits) {
  if (bits == 0 || bits == 0x7F) return 0.0f;
  const int exponent = bits >> 3 & 15;
  const auto mantissa = static_cast<float>(bits & 7);
  return exponent == 0 ? mantissa * 0x1p-10f : std::ldexp(1.0f + mantissa / 8.0f, exponent - 8);
}

uint8_t NearestE2M1(float w, float half_scale) {
  size_t best = 0;
  float least = std::abs(kTwiceE2M1[0] * half_scale - w);
  for (size_t code = 1; code < kTwiceE2M1.size(); ++code) {
    const float error = std::abs(kTwiceE2M1[code] * half_scale - w);
    if (!(error < least)) continue;
    best = code;
    least = error;
  }
  return static_cast<uint8_t>(best);
}

}  // namespace

void Unpack(const BlockMXFP4& block, BlockCodes& out) {
  for (size_t j = 0; j < block.qs.size(); ++j) {
    out.codes[j] = block.qs[j] & 15;
    out.codes[j + 16] = block.qs[j] >> 4;
  }
  out.scales[0] = HalfE8M0(block.e);
}

void Unpack(const BlockNVFP4& block, BlockCodes& out) {
  for (size_t s = 0; s < block.d.size(); ++s) {
    for (size_t j = 0; j < 8; ++j) {
      out.codes[16 * s + j] = block.qs[8 * s + j] & 15;
      out.codes[16 * s + 8 + j] = block.qs[8 * s + j] >> 4;
    }
    out.scales[s] = HalfE4M3(block.d[s]);
  }
}

void Pack(const BlockCodes& codes, BlockMXFP4& block) {
  block.e = static_cast<uint8_t>(std::ilogb(codes.scales[0]) + 128);
  for (size_t j = 0; j < block.qs.size(); ++j) {
    block.qs[j] = static_cast<uint8_t>(codes.codes[j] | codes.codes[j + 16] << 4);
  }
}

void Encode(LegacyWeights weights, const GgmlImportance&, BlockMXFP4& block) {
  float absmax = 0.0f;
  for (const float w : weights) absmax = std::max(absmax, std::abs(w));
  // An FP16 weight is at least 2^-24, so e is never below 101 but for zeros.
  block.e = absmax > 0.0f ? static_cast<uint8_t>(std::max(0, std::ilogb(absmax) - 2 + 127)) : 0;
  const float scale = HalfE8M0(block.e);
  for (size_t j = 0; j < block.qs.size(); ++j) {
    block.qs[j] = static_cast<uint8_t>(NearestE2M1(weights[j], scale) |
                                       NearestE2M1(weights[j + 16], scale) << 4);
  }
}

}  // namespace bitloss

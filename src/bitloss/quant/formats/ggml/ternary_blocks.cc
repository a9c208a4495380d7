#include "bitloss/quant/formats/ggml/ternary_blocks.h"

#include <algorithm>
#include <cmath>

namespace bitloss {
namespace {

// Digits 0 to 2 and the scale that they are of.
struct Ternary {
  float d = 0.0f;
  std::array<uint8_t, kKBlock> digits;
};

Ternary RoundToThree(KWeights weights) {
  Ternary ternary;
  for (const float w : weights) ternary.d = std::max(ternary.d, std::abs(w));
  const float inverse = ternary.d != 0.0f ? 1.0f / ternary.d : 0.0f;
  for (size_t e = 0; e < kKBlock; ++e) {
    ternary.digits[e] = static_cast<uint8_t>(std::lround(weights[e] * inverse) + 1);
  }
  return ternary;
}

// Adds a digit after those that the number has.
void Append(uint8_t digit, uint8_t& number) { number = static_cast<uint8_t>(3 * number + digit); }

// ceil(number * 256 / 243).
uint8_t AsFraction(uint8_t number) { return static_cast<uint8_t>((number * 256 + 242) / 243); }

uint8_t BaseThreeDigit(uint8_t byte, size_t digit) {
  constexpr std::array<uint8_t, 5> kPowers = {1, 3, 9, 27, 81};
  const auto shifted = static_cast<uint8_t>(byte * kPowers[digit]);
  return static_cast<uint8_t>(shifted * 3 >> 8);
}

}  // namespace

void Unpack(const BlockTQ1_0& block, BlockCodes& out) {
  for (size_t e = 0; e < 160; ++e) out.codes[e] = BaseThreeDigit(block.qs[e % 32], e / 32);
  for (size_t e = 0; e < 80; ++e)
    out.codes[160 + e] = BaseThreeDigit(block.qs[32 + e % 16], e / 16);
  for (size_t e = 0; e < 16; ++e) out.codes[240 + e] = BaseThreeDigit(block.qh[e % 4], e / 4);
  out.scales[0] = ToFloat(block.d);
  out.zeros[0] = 1.0f;
}

void Unpack(const BlockTQ2_0& block, BlockCodes& out) {
  for (size_t e = 0; e < kKBlock; ++e) {
    out.codes[e] = block.qs[e / 128 * 32 + e % 32] >> (2 * (e % 128 / 32)) & 3;
  }
  out.scales[0] = ToFloat(block.d);
  out.zeros[0] = 1.0f;
}

void Encode(KWeights weights, const GgmlImportance& /*importance*/, BlockTQ1_0& block) {
  const Ternary ternary = RoundToThree(weights);
  block = {};
  block.d = RoundToF16(ternary.d);
  for (size_t e = 0; e < 160; ++e) Append(ternary.digits[e], block.qs[e % 32]);
  for (size_t e = 0; e < 80; ++e) Append(ternary.digits[160 + e], block.qs[32 + e % 16]);
  for (size_t e = 0; e < 16; ++e) Append(ternary.digits[240 + e], block.qh[e % 4]);
  for (uint8_t& number : block.qh) Append(0, number);
  for (uint8_t& number : block.qs) number = AsFraction(number);
  for (uint8_t& number : block.qh) number = AsFraction(number);
}

void Encode(KWeights weights, const GgmlImportance& /*importance*/, BlockTQ2_0& block) {
  const Ternary ternary = RoundToThree(weights);
  block = {};
  block.d = RoundToF16(ternary.d);
  for (size_t e = 0; e < kKBlock; ++e) {
    block.qs[e / 128 * 32 + e % 32] |=
        static_cast<uint8_t>(ternary.digits[e] << (2 * (e % 128 / 32)));
  }
}

}  // namespace bitloss

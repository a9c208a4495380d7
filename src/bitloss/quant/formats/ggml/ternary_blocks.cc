#include "bitloss/quant/formats/ggml/ternary_blocks.h"

namespace bitloss {
namespace {

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

}  // namespace bitloss

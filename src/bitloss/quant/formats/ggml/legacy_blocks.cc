#include "bitloss/quant/formats/ggml/legacy_blocks.h"

namespace bitloss {
namespace {

constexpr size_t kHalf = kLegacyBlock / 2;

int FourBits(const std::array<uint8_t, kHalf>& qs, size_t e) {
  return e < kHalf ? qs[e] & 0xF : qs[e - kHalf] >> 4;
}

int FifthBit(const std::array<uint8_t, 4>& qh, size_t e) { return (qh[e / 8] >> (e % 8) & 1) << 4; }

}  // namespace

void Decode(const BlockQ4_0& block, std::span<float, kLegacyBlock> out) {
  const float d = ToFloat(block.d);
  for (size_t e = 0; e < kLegacyBlock; ++e) {
    out[e] = d * static_cast<float>(FourBits(block.qs, e) - 8);
  }
}

void Decode(const BlockQ4_1& block, std::span<float, kLegacyBlock> out) {
  const float d = ToFloat(block.d);
  const float m = ToFloat(block.m);
  for (size_t e = 0; e < kLegacyBlock; ++e) {
    out[e] = d * static_cast<float>(FourBits(block.qs, e)) + m;
  }
}

void Decode(const BlockQ5_0& block, std::span<float, kLegacyBlock> out) {
  const float d = ToFloat(block.d);
  for (size_t e = 0; e < kLegacyBlock; ++e) {
    out[e] = d * static_cast<float>((FourBits(block.qs, e) | FifthBit(block.qh, e)) - 16);
  }
}

void Decode(const BlockQ5_1& block, std::span<float, kLegacyBlock> out) {
  const float d = ToFloat(block.d);
  const float m = ToFloat(block.m);
  for (size_t e = 0; e < kLegacyBlock; ++e) {
    out[e] = d * static_cast<float>(FourBits(block.qs, e) | FifthBit(block.qh, e)) + m;
  }
}

void Decode(const BlockQ8_0& block, std::span<float, kLegacyBlock> out) {
  const float d = ToFloat(block.d);
  for (size_t e = 0; e < kLegacyBlock; ++e) out[e] = d * static_cast<float>(block.qs[e]);
}

}  // namespace bitloss

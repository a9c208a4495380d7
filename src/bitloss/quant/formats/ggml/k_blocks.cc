#include "bitloss/quant/formats/ggml/k_blocks.h"

namespace bitloss {
namespace {

constexpr size_t kPairBlock = 32;  // weights that share a scale and a min
constexpr size_t kSixBitBlock = 16;

int FourBits(const std::array<uint8_t, kKBlock / 2>& qs, size_t e) {
  const uint8_t byte = qs[e / 64 * 32 + e % 32];
  return e % 64 < 32 ? byte & 0xF : byte >> 4;
}

int FifthBit(const std::array<uint8_t, kKBlock / 8>& qh, size_t e) {
  return (qh[e % 32] >> (e / 32) & 1) << 4;
}

int SixBits(const BlockQ6_K& block, size_t e) {
  const size_t half = e / 128, quarter = e % 128 / 32, l = e % 32;
  const uint8_t low = block.ql[64 * half + 32 * (quarter % 2) + l];
  const int top = block.qh[32 * half + l] >> (2 * quarter) & 3;
  return (quarter < 2 ? low & 0xF : low >> 4) | top << 4;
}

}  // namespace

void Decode(const BlockQ4_K& block, std::span<float, kKBlock> out) {
  const float d = ToFloat(block.d);
  const float dmin = ToFloat(block.dmin);
  for (size_t s = 0; s < kKBlock / kPairBlock; ++s) {
    const float scale = d * static_cast<float>(block.scales.Scale(s));
    const float min = dmin * static_cast<float>(block.scales.Min(s));
    for (size_t e = s * kPairBlock; e < (s + 1) * kPairBlock; ++e) {
      out[e] = scale * static_cast<float>(FourBits(block.qs, e)) - min;
    }
  }
}

void Decode(const BlockQ5_K& block, std::span<float, kKBlock> out) {
  const float d = ToFloat(block.d);
  const float dmin = ToFloat(block.dmin);
  for (size_t s = 0; s < kKBlock / kPairBlock; ++s) {
    const float scale = d * static_cast<float>(block.scales.Scale(s));
    const float min = dmin * static_cast<float>(block.scales.Min(s));
    for (size_t e = s * kPairBlock; e < (s + 1) * kPairBlock; ++e) {
      const int q = FourBits(block.qs, e) | FifthBit(block.qh, e);
      out[e] = scale * static_cast<float>(q) - min;
    }
  }
}

void Decode(const BlockQ6_K& block, std::span<float, kKBlock> out) {
  const float d = ToFloat(block.d);
  for (size_t s = 0; s < kKBlock / kSixBitBlock; ++s) {
    const float scale = d * static_cast<float>(block.scales[s]);
    for (size_t e = s * kSixBitBlock; e < (s + 1) * kSixBitBlock; ++e) {
      out[e] = scale * static_cast<float>(SixBits(block, e) - 32);
    }
  }
}

}  // namespace bitloss

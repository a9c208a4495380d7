#include "bitloss/quant/formats/ggml/k_blocks.h"

namespace bitloss {
namespace {

// Codes of two bits: weight e is at bits 2k, 2k + 1 of byte 32 h + e % 32.
void UnpackTwoBits(const std::array<uint8_t, kKBlock / 4>& qs, BlockCodes& out) {
  for (size_t e = 0; e < kKBlock; ++e) {
    out.codes[e] = qs[e / 128 * 32 + e % 32] >> (2 * (e % 128 / 32)) & 3;
  }
}

void UnpackFourBits(const std::array<uint8_t, kKBlock / 2>& qs, BlockCodes& out) {
  for (size_t e = 0; e < kKBlock; ++e) {
    const uint8_t byte = qs[e / 64 * 32 + e % 32];
    out.codes[e] = e % 64 < 32 ? byte & 0xF : byte >> 4;
  }
}

template <class Block>
void UnpackPairs(const Block& block, BlockCodes& out) {
  const float d = ToFloat(block.d);
  const float dmin = ToFloat(block.dmin);
  for (size_t s = 0; s < kKBlock / 32; ++s) {
    out.scales[s] = d * static_cast<float>(block.scales.Scale(s));
    out.zeros[s] = -(dmin * static_cast<float>(block.scales.Min(s)));
  }
}

}  // namespace

SixBitPairs PackSixBitPairs(std::span<const uint8_t, 8> scales, std::span<const uint8_t, 8> mins) {
  SixBitPairs pairs{};
  for (size_t s = 0; s < 4; ++s) {
    pairs.bytes[s] = static_cast<uint8_t>(scales[s] | (scales[s + 4] >> 4) << 6);
    pairs.bytes[s + 4] = static_cast<uint8_t>(mins[s] | (mins[s + 4] >> 4) << 6);
    pairs.bytes[s + 8] = static_cast<uint8_t>((scales[s + 4] & 15) | (mins[s + 4] & 15) << 4);
  }
  return pairs;
}

SixBitScales PackSixBitScales(std::span<const uint8_t, 16> scales) {
  SixBitScales packed{};
  for (size_t s = 0; s < 16; ++s) {
    packed.bytes[s % 8] |= static_cast<uint8_t>((scales[s] & 15) << (s < 8 ? 0 : 4));
    packed.bytes[8 + s % 4] |= static_cast<uint8_t>((scales[s] >> 4) << (2 * (s / 4)));
  }
  return packed;
}

void Unpack(const BlockQ2_K& block, BlockCodes& out) {
  const float d = ToFloat(block.d);
  const float dmin = ToFloat(block.dmin);
  UnpackTwoBits(block.qs, out);
  for (size_t s = 0; s < kKBlock / 16; ++s) {
    out.scales[s] = d * static_cast<float>(block.scales[s] & 15);
    out.zeros[s] = -(dmin * static_cast<float>(block.scales[s] >> 4));
  }
}

void Unpack(const BlockQ3_K& block, BlockCodes& out) {
  const float d = ToFloat(block.d);
  UnpackTwoBits(block.qs, out);
  for (size_t e = 0; e < kKBlock; ++e) {
    out.codes[e] |= static_cast<uint8_t>((block.hmask[e % 32] >> (e / 32) & 1) << 2);
  }
  for (size_t s = 0; s < kKBlock / 16; ++s) {
    out.scales[s] = d * static_cast<float>(block.scales[s] - 32);
    out.zeros[s] = 4.0f;
  }
}

void Unpack(const BlockQ4_K& block, BlockCodes& out) {
  UnpackFourBits(block.qs, out);
  UnpackPairs(block, out);
}

void Unpack(const BlockQ5_K& block, BlockCodes& out) {
  UnpackFourBits(block.qs, out);
  for (size_t e = 0; e < kKBlock; ++e) {
    out.codes[e] |= static_cast<uint8_t>((block.qh[e % 32] >> (e / 32) & 1) << 4);
  }
  UnpackPairs(block, out);
}

void Unpack(const BlockQ6_K& block, BlockCodes& out) {
  const float d = ToFloat(block.d);
  for (size_t e = 0; e < kKBlock; ++e) {
    const size_t half = e / 128, quarter = e % 128 / 32, l = e % 32;
    const uint8_t low = block.ql[64 * half + 32 * (quarter % 2) + l];
    const int top = block.qh[32 * half + l] >> (2 * quarter) & 3;
    out.codes[e] = static_cast<uint8_t>((quarter < 2 ? low & 0xF : low >> 4) | top << 4);
  }
  for (size_t s = 0; s < kKBlock / 16; ++s) {
    out.scales[s] = d * static_cast<float>(block.scales[s]);
    out.zeros[s] = 32.0f;
  }
}

void Unpack(const BlockIQ4_XS& block, BlockCodes& out) {
  const float d = ToFloat(block.d);
  for (size_t e = 0; e < kKBlock; ++e) {
    const uint8_t byte = block.qs[e / 32 * 16 + e % 16];
    out.codes[e] = e % 32 < 16 ? byte & 0xF : byte >> 4;
  }
  const int high = block.scales_h[0] | block.scales_h[1] << 8;
  for (size_t s = 0; s < kKBlock / 32; ++s) {
    const int low = block.scales_l[s / 2] >> (4 * (s % 2)) & 15;
    out.scales[s] = d * static_cast<float>((low | (high >> (2 * s) & 3) << 4) - 32);
  }
}

}  // namespace bitloss

// The ggml formats with 256 neighbouring weights in a block, in sub-blocks whose scales (and
// offsets) are themselves small integers times the block's FP16 `d` (and `dmin`).
//
//   Q4_K   | d | dmin | scales[12] | qs[128] |            8 sub-blocks of 32
//   Q5_K   | d | dmin | scales[12] | qh[32] | qs[128] |   8 sub-blocks of 32
//          value = d * scale(s) * q - dmin * min(s)
//   Q6_K   | ql[128] | qh[64] | scales[16] | d |          16 sub-blocks of 16
//          value = d * scale(s) * (q - 32)
//
// Products are taken from the left, each rounded to float32. Where the bits of weight e are:
//
//   Q4_K, Q5_K   c = e / 64, r = e % 64: byte qs[32 c + r % 32], the low half if r < 32;
//                Q5_K's fifth bit is bit e / 32 of qh[e % 32]
//   Q6_K         h = e / 128, k = e % 128 / 32, l = e % 32: byte ql[64 h + 32 (k % 2) + l], the low
//                half if k < 2; the top two bits are bits 2k, 2k + 1 of qh[32 h + l]
//
// Any bits are a valid block; an infinite or NaN d gives infinities and NaNs. (Source: ggml
// ggml-common.h, ggml-quants.c.)
#ifndef BITLOSS_QUANT_FORMATS_GGML_K_BLOCKS_H_
#define BITLOSS_QUANT_FORMATS_GGML_K_BLOCKS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bitloss/tensor/dtype.h"

namespace bitloss {

inline constexpr size_t kKBlock = 256;  // weights

// Eight pairs of six-bit numbers in twelve bytes. For s < 4, pair s is the low six bits of bytes s
// (scale) and s + 4 (min). For s >= 4 the low four bits are the halves of byte s + 4 (low: scale,
// high: min) and the top two are those of bytes s - 4 (scale) and s (min).
struct SixBitPairs {
  std::array<uint8_t, 12> bytes;

  int Scale(size_t s) const {
    return s < 4 ? bytes[s] & 63 : (bytes[s + 4] & 15) | bytes[s - 4] >> 6 << 4;
  }
  int Min(size_t s) const {
    return s < 4 ? bytes[s + 4] & 63 : bytes[s + 4] >> 4 | bytes[s] >> 6 << 4;
  }
};

struct BlockQ4_K {
  F16 d;
  F16 dmin;
  SixBitPairs scales;
  std::array<uint8_t, kKBlock / 2> qs;
};
static_assert(sizeof(BlockQ4_K) == 144);

struct BlockQ5_K {
  F16 d;
  F16 dmin;
  SixBitPairs scales;
  std::array<uint8_t, kKBlock / 8> qh;
  std::array<uint8_t, kKBlock / 2> qs;
};
static_assert(sizeof(BlockQ5_K) == 176);

struct BlockQ6_K {
  std::array<uint8_t, kKBlock / 2> ql;
  std::array<uint8_t, kKBlock / 4> qh;
  std::array<int8_t, kKBlock / 16> scales;
  F16 d;
};
static_assert(sizeof(BlockQ6_K) == 210);

void Decode(const BlockQ4_K& block, std::span<float, kKBlock> out);
void Decode(const BlockQ5_K& block, std::span<float, kKBlock> out);
void Decode(const BlockQ6_K& block, std::span<float, kKBlock> out);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_GGML_K_BLOCKS_H_

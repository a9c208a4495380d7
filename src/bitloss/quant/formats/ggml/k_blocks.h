// The ggml formats with 256 neighbouring weights in a block, in sub-blocks whose scales (and
// offsets) are themselves small integers times the block's FP16 `d` (and `dmin`).
//
//   Q2_K   | scales[16] | qs[64] | d | dmin |             16 sub-blocks of 16
//   Q4_K   | d | dmin | scales[12] | qs[128] |            8 sub-blocks of 32
//   Q5_K   | d | dmin | scales[12] | qh[32] | qs[128] |   8 sub-blocks of 32
//          value = d * scale(s) * q - dmin * min(s)
//   Q3_K   | hmask[32] | qs[64] | scales[12] | d |        16 sub-blocks of 16
//          value = d * (scale(s) - 32) * (q - 4)
//   Q6_K   | ql[128] | qh[64] | scales[16] | d |          16 sub-blocks of 16
//          value = d * scale(s) * (q - 32)
//   IQ4_XS | d | scales_h | scales_l[4] | qs[128] |       8 sub-blocks of 32
//          value = d * (scale(s) - 32) * level(q), the levels of IQ4_NL
//
// Products are taken from the left, each rounded to float32. Where the bits of weight e are:
//
//   Q2_K         bits 2k, 2k + 1 of qs[32 h + e % 32], h = e / 128, k = e % 128 / 32; scales[s]:
//                scale in the low half, min in the high half
//   Q3_K         the low two bits as in Q2_K; the third is bit e / 32 of hmask[e % 32]
//   Q4_K, Q5_K   c = e / 64, r = e % 64: byte qs[32 c + r % 32], the low half if r < 32;
//                Q5_K's fifth bit is bit e / 32 of qh[e % 32]
//   Q6_K         h = e / 128, k = e % 128 / 32, l = e % 32: byte ql[64 h + 32 (k % 2) + l], the low
//                half if k < 2; the top two bits are bits 2k, 2k + 1 of qh[32 h + l]
//   IQ4_XS       byte qs[16 s + j], low half weight j of the sub-block, high half weight j + 16;
//                six bits of a scale: half s % 2 of scales_l[s / 2] and bits 2s, 2s + 1 of scales_h
//
// Any bits are a valid block; an infinite or NaN d gives infinities and NaNs.
//
// Encoding is llama.cpp's, bit for bit (code_search.h): a search of each sub-block's scale (and
// min), the super-block's d (and dmin) so that the largest fits its integer, and then codes to
// nearest for the scales as they will be decoded (IQ4_XS: for d before it is rounded to FP16).
// Importance of a weight w without an imatrix: |w| (Q2_K), w^2 (Q3_K, Q6_K, IQ4_XS), sqrt of the
// sub-block's mean square + |w| (Q4_K, Q5_K). With one: importance * sqrt(s + w^2), s the block's
// mean square (twice it, but for Q2_K), and the integers of the scales are searched too; Q6_K takes
// the importance as it is. A block of zeros is zeros; equal weights keep their value to FP16's
// precision. (Source: ggml ggml-common.h, ggml-quants.c.)
#ifndef BITLOSS_QUANT_FORMATS_GGML_K_BLOCKS_H_
#define BITLOSS_QUANT_FORMATS_GGML_K_BLOCKS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bitloss/quant/formats/ggml/block_codes.h"
#include "bitloss/quant/formats/ggml/legacy_blocks.h"
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
// Requires: all in [0, 63].
SixBitPairs PackSixBitPairs(std::span<const uint8_t, 8> scales, std::span<const uint8_t, 8> mins);

// Sixteen six-bit numbers in twelve bytes: the low four bits of number s are a half of byte s % 8
// (low for s < 8), the top two are bits 2 (s / 4), 2 (s / 4) + 1 of byte 8 + s % 4.
struct SixBitScales {
  std::array<uint8_t, 12> bytes;

  int operator[](size_t s) const {
    const int low = s < 8 ? bytes[s] & 15 : bytes[s - 8] >> 4;
    return low | (bytes[8 + s % 4] >> (2 * (s / 4)) & 3) << 4;
  }
};
SixBitScales PackSixBitScales(std::span<const uint8_t, 16> scales);

struct BlockQ2_K {
  static constexpr size_t kWeights = kKBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kOffset, 2, 16};
  std::array<uint8_t, kKBlock / 16> scales;
  std::array<uint8_t, kKBlock / 4> qs;
  F16 d;
  F16 dmin;
};
static_assert(sizeof(BlockQ2_K) == 84);

struct BlockQ3_K {
  static constexpr size_t kWeights = kKBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kZeroPoint, 3, 16};
  std::array<uint8_t, kKBlock / 8> hmask;
  std::array<uint8_t, kKBlock / 4> qs;
  SixBitScales scales;
  F16 d;
};
static_assert(sizeof(BlockQ3_K) == 110);

struct BlockQ4_K {
  static constexpr size_t kWeights = kKBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kOffset, 4, 32};
  F16 d;
  F16 dmin;
  SixBitPairs scales;
  std::array<uint8_t, kKBlock / 2> qs;
};
static_assert(sizeof(BlockQ4_K) == 144);

struct BlockQ5_K {
  static constexpr size_t kWeights = kKBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kOffset, 5, 32};
  F16 d;
  F16 dmin;
  SixBitPairs scales;
  std::array<uint8_t, kKBlock / 8> qh;
  std::array<uint8_t, kKBlock / 2> qs;
};
static_assert(sizeof(BlockQ5_K) == 176);

struct BlockQ6_K {
  static constexpr size_t kWeights = kKBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kZeroPoint, 6, 16};
  std::array<uint8_t, kKBlock / 2> ql;
  std::array<uint8_t, kKBlock / 4> qh;
  std::array<int8_t, kKBlock / 16> scales;
  F16 d;
};
static_assert(sizeof(BlockQ6_K) == 210);

struct BlockIQ4_XS {
  static constexpr size_t kWeights = kKBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kTable, 4, 32, kIq4Levels};
  F16 d;
  std::array<uint8_t, 2> scales_h;  // little-endian, 16 bits
  std::array<uint8_t, 4> scales_l;
  std::array<uint8_t, kKBlock / 2> qs;
};
static_assert(sizeof(BlockIQ4_XS) == 136);

void Unpack(const BlockQ2_K& block, BlockCodes& out);
void Unpack(const BlockQ3_K& block, BlockCodes& out);
void Unpack(const BlockQ4_K& block, BlockCodes& out);
void Unpack(const BlockQ5_K& block, BlockCodes& out);
void Unpack(const BlockQ6_K& block, BlockCodes& out);
void Unpack(const BlockIQ4_XS& block, BlockCodes& out);

// Requires: finite weights within the range of FP16; importance.of_weights is empty or the block's.
using KWeights = std::span<const float, kKBlock>;
void Encode(KWeights weights, const GgmlImportance& importance, BlockQ2_K& block);
void Encode(KWeights weights, const GgmlImportance& importance, BlockQ3_K& block);
void Encode(KWeights weights, const GgmlImportance& importance, BlockQ4_K& block);
void Encode(KWeights weights, const GgmlImportance& importance, BlockQ5_K& block);
void Encode(KWeights weights, const GgmlImportance& importance, BlockQ6_K& block);
void Encode(KWeights weights, const GgmlImportance& importance, BlockIQ4_XS& block);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_GGML_K_BLOCKS_H_

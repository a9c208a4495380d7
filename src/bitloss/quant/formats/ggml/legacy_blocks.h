// The ggml formats with one scale for 32 neighbouring weights. `d` and `m` are FP16.
//
//   Q4_0   | d | qs[16]           |   value = d * (q - 8)
//   Q4_1   | d | m | qs[16]       |   value = d * q + m
//   Q5_0   | d | qh[4] | qs[16]   |   value = d * (q - 16)
//   Q5_1   | d | m | qh[4] | qs[16] | value = d * q + m
//   Q8_0   | d | qs[32]           |   value = d * q, q signed
//   IQ4_NL | d | qs[16]           |   value = d * table[q], 16 levels denser near zero
//
// The low half of qs[j] holds weight j, the high half weight j + 16. In the five-bit formats, bit e
// of qh (little-endian, 32 bits) is the fifth bit of weight e.
//
// Any bits are a valid block; an infinite or NaN d gives infinities and NaNs.
//
// Encoding, in float32; d is rounded to FP16 when stored, but codes are chosen for d as it was:
//
//   Q4_0, Q5_0  d = M / -8 (-16), M the weight of largest magnitude (the first of several), so
//               that M is code 0; code = whole part of w * (1 / d) + 8.5 (16.5), at most 15 (31)
//   Q4_1, Q5_1  m = min, d = (max - min) / 15 (31); code = whole part of (w - m) * (1 / d) + 0.5
//   Q8_0        d = max |w| / 127; code = w * (1 / d) to nearest, ties away from zero
//   IQ4_NL      d by least squares over 16 candidates, each weight's square its importance; code
//               = the level nearest to w * (1 / d), a tie to the upper one
//
// With importances (llama.cpp's imatrix), Q4_0 to Q5_1 and IQ4_NL search d (and m) for the smallest
// squared error weighted by importance * sqrt(s + w^2), s the mean square of the row (IQ4_NL: twice
// that of the block); Q8_0 ignores them. A block of zeros has d 0 (in Q4_0 and Q5_0 -0) and codes
// that decode to 0; equal weights keep their value to FP16's precision. (Source: ggml
// ggml-common.h, ggml-quants.c; gguf-py quants.py, whose bits are ours.)
#ifndef BITLOSS_QUANT_FORMATS_GGML_LEGACY_BLOCKS_H_
#define BITLOSS_QUANT_FORMATS_GGML_LEGACY_BLOCKS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bitloss/quant/formats/ggml/block_codes.h"
#include "bitloss/quant/formats/ggml/iq4_fits.h"
#include "bitloss/tensor/dtype.h"

namespace bitloss {

inline constexpr size_t kLegacyBlock = 32;  // weights

struct BlockQ4_0 {
  static constexpr size_t kWeights = kLegacyBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kZeroPoint, 4, kLegacyBlock};
  F16 d;
  std::array<uint8_t, kLegacyBlock / 2> qs;
};
static_assert(sizeof(BlockQ4_0) == 18);

struct BlockQ4_1 {
  static constexpr size_t kWeights = kLegacyBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kOffset, 4, kLegacyBlock};
  F16 d;
  F16 m;
  std::array<uint8_t, kLegacyBlock / 2> qs;
};
static_assert(sizeof(BlockQ4_1) == 20);

struct BlockQ5_0 {
  static constexpr size_t kWeights = kLegacyBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kZeroPoint, 5, kLegacyBlock};
  F16 d;
  std::array<uint8_t, 4> qh;
  std::array<uint8_t, kLegacyBlock / 2> qs;
};
static_assert(sizeof(BlockQ5_0) == 22);

struct BlockQ5_1 {
  static constexpr size_t kWeights = kLegacyBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kOffset, 5, kLegacyBlock};
  F16 d;
  F16 m;
  std::array<uint8_t, 4> qh;
  std::array<uint8_t, kLegacyBlock / 2> qs;
};
static_assert(sizeof(BlockQ5_1) == 24);

struct BlockQ8_0 {
  static constexpr size_t kWeights = kLegacyBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kZeroPoint, 8, kLegacyBlock};
  F16 d;
  std::array<int8_t, kLegacyBlock> qs;
};
static_assert(sizeof(BlockQ8_0) == 34);

struct BlockIQ4_NL {
  static constexpr size_t kWeights = kLegacyBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kTable, 4, kLegacyBlock, kIq4Levels};
  F16 d;
  std::array<uint8_t, kLegacyBlock / 2> qs;
};
static_assert(sizeof(BlockIQ4_NL) == 18);

void Unpack(const BlockQ4_0& block, BlockCodes& out);
void Unpack(const BlockQ4_1& block, BlockCodes& out);
void Unpack(const BlockQ5_0& block, BlockCodes& out);
void Unpack(const BlockQ5_1& block, BlockCodes& out);
void Unpack(const BlockQ8_0& block, BlockCodes& out);
void Unpack(const BlockIQ4_NL& block, BlockCodes& out);

// The inverse of Unpack, for fits that choose codes themselves. Requires: codes, and a scale and an
// offset, that a block can hold; zero points are the format's.
void Pack(const BlockCodes& codes, BlockQ4_0& block);
void Pack(const BlockCodes& codes, BlockQ4_1& block);
void Pack(const BlockCodes& codes, BlockQ5_0& block);
void Pack(const BlockCodes& codes, BlockQ5_1& block);
void Pack(const BlockCodes& codes, BlockQ8_0& block);
void Pack(const BlockCodes& codes, BlockIQ4_NL& block);

// Requires: finite weights within the range of FP16; importance.of_weights is empty or the block's.
using LegacyWeights = std::span<const float, kLegacyBlock>;
void Encode(LegacyWeights weights, const GgmlImportance& importance, BlockQ4_0& block);
void Encode(LegacyWeights weights, const GgmlImportance& importance, BlockQ4_1& block);
void Encode(LegacyWeights weights, const GgmlImportance& importance, BlockQ5_0& block);
void Encode(LegacyWeights weights, const GgmlImportance& importance, BlockQ5_1& block);
void Encode(LegacyWeights weights, const GgmlImportance& importance, BlockQ8_0& block);
void Encode(LegacyWeights weights, const GgmlImportance& importance, BlockIQ4_NL& block);

// The scale that the search of IQ4_NL ends with for 32 weights of these importances; 0 for zeros.
// IQ4_XS makes its sub-blocks with it.
float SearchIq4Scale(LegacyWeights weights, std::span<const float, kLegacyBlock> importance);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_GGML_LEGACY_BLOCKS_H_

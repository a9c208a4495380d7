// The ggml formats that take weights by eights (or fours) from a table of points, 256 weights to a
// block. How points and scales are chosen: lattice_search.h, iq1_encode.cc.
//
//   IQ2_XXS | d | {indices[4], signs and scale (32 bits)}[8] |
//   IQ2_XS  | d | qs[32] (16 bits) | scales[8] |
//   IQ2_S   | d | qs[32] | signs[32] | qh[8] | scales[8] |
//           value = d * (s + 0.5) / 4 * point * sign, coordinates 8, 25, 43
//   IQ3_XXS | d | qs[64] | signs and scale[8] (32 bits) |
//           value = d * (s + 0.5) / 2 * point * sign, coordinates 4, 12, 20, 28, 36, 44, 52, 62
//   IQ3_S   | d | qs[64] | qh[8] | signs[32] | scales[4] |
//           value = d * (2 s + 1) * point * sign, coordinates 1, 3, ..., 15
//   IQ1_S   | d | qs[32] | qh[8] (16 bits) |
//   IQ1_M   | qs[32] | qh[16] | scales[4] (16 bits) |
//           value = d * (2 s + 1) * (point +- 1/8), coordinates -1, 0, 1
//
// Products from the left in float32. Four-bit scales are of 16 weights (IQ2_XS, IQ2_S: low half
// first) or 32; three-bit ones of 32 (IQ1_S) or 16 (IQ1_M). Where a point's signs have seven bits,
// the eighth makes the number of minus signs even. The points of each table: lattice_tables.h.
// IQ1_M's d is FP16 in the top four bits of its scales. Any bits are a valid block. (Source: ggml
// ggml-common.h, ggml-quants.c; gguf-py quants.py.)
#ifndef BITLOSS_QUANT_FORMATS_GGML_LATTICE_BLOCKS_H_
#define BITLOSS_QUANT_FORMATS_GGML_LATTICE_BLOCKS_H_

#include "bitloss/quant/formats/ggml/k_blocks.h"

namespace bitloss {

// Codes of two bits for the coordinate and one for the sign; of three and one.
inline constexpr std::array<float, 16> kIq2Levels = {8, 25, 43, 0, -8, -25, -43, 0};
inline constexpr std::array<float, 16> kIq3XxsLevels = {4,  12,  20,  28,  36,  44,  52,  62,
                                                        -4, -12, -20, -28, -36, -44, -52, -62};
inline constexpr std::array<float, 16> kIq3SLevels = {1,  3,  5,  7,  9,  11,  13,  15,
                                                      -1, -3, -5, -7, -9, -11, -13, -15};
// Coordinates with 1/8 added, then with 1/8 taken off.
inline constexpr std::array<float, 16> kIq1Levels = {-0.875f, 0.125f,  1.125f, 0,
                                                     -1.125f, -0.125f, 0.875f, 0};

template <size_t kBytes>
using LatticeBytes = std::array<uint8_t, kBytes>;  // fields of more than a byte: little-endian

struct BlockIQ2_XXS {
  static constexpr size_t kWeights = kKBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kTable, 3, 32, kIq2Levels};
  F16 d;
  LatticeBytes<64> qs;
};
static_assert(sizeof(BlockIQ2_XXS) == 66);

struct BlockIQ2_XS {
  static constexpr size_t kWeights = kKBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kTable, 3, 16, kIq2Levels};
  F16 d;
  LatticeBytes<64> qs;
  LatticeBytes<8> scales;
};
static_assert(sizeof(BlockIQ2_XS) == 74);

struct BlockIQ2_S {
  static constexpr size_t kWeights = kKBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kTable, 3, 16, kIq2Levels};
  F16 d;
  LatticeBytes<32> qs;
  LatticeBytes<32> signs;
  LatticeBytes<8> qh;
  LatticeBytes<8> scales;
};
static_assert(sizeof(BlockIQ2_S) == 82);

struct BlockIQ3_XXS {
  static constexpr size_t kWeights = kKBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kTable, 4, 32, kIq3XxsLevels};
  F16 d;
  LatticeBytes<64> qs;
  LatticeBytes<32> signs_and_scales;
};
static_assert(sizeof(BlockIQ3_XXS) == 98);

struct BlockIQ3_S {
  static constexpr size_t kWeights = kKBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kTable, 4, 32, kIq3SLevels};
  F16 d;
  LatticeBytes<64> qs;
  LatticeBytes<8> qh;
  LatticeBytes<32> signs;
  LatticeBytes<4> scales;
};
static_assert(sizeof(BlockIQ3_S) == 110);

struct BlockIQ1_S {
  static constexpr size_t kWeights = kKBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kTable, 3, 32, kIq1Levels};
  F16 d;
  LatticeBytes<32> qs;
  LatticeBytes<16> qh;
};
static_assert(sizeof(BlockIQ1_S) == 50);

struct BlockIQ1_M {
  static constexpr size_t kWeights = kKBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kTable, 3, 16, kIq1Levels};
  LatticeBytes<32> qs;
  LatticeBytes<16> qh;
  LatticeBytes<8> scales;
};
static_assert(sizeof(BlockIQ1_M) == 56);

void Unpack(const BlockIQ2_XXS& block, BlockCodes& out);
void Unpack(const BlockIQ2_XS& block, BlockCodes& out);
void Unpack(const BlockIQ2_S& block, BlockCodes& out);
void Unpack(const BlockIQ3_XXS& block, BlockCodes& out);
void Unpack(const BlockIQ3_S& block, BlockCodes& out);
void Unpack(const BlockIQ1_S& block, BlockCodes& out);
void Unpack(const BlockIQ1_M& block, BlockCodes& out);

// Blocks of IQ2_XXS, IQ2_XS and IQ1_S are chosen by importances.
// Requires: for those, importance.of_weights is not empty.
void Encode(KWeights weights, const GgmlImportance& importance, BlockIQ2_XXS& block);
void Encode(KWeights weights, const GgmlImportance& importance, BlockIQ2_XS& block);
void Encode(KWeights weights, const GgmlImportance& importance, BlockIQ2_S& block);
void Encode(KWeights weights, const GgmlImportance& importance, BlockIQ3_XXS& block);
void Encode(KWeights weights, const GgmlImportance& importance, BlockIQ3_S& block);
void Encode(KWeights weights, const GgmlImportance& importance, BlockIQ1_S& block);
void Encode(KWeights weights, const GgmlImportance& importance, BlockIQ1_M& block);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_GGML_LATTICE_BLOCKS_H_

// The ggml formats of three levels, 256 weights to an FP16 scale. d is the largest magnitude, q - 1
// the nearest of w / d, ties away from zero.
//
//   TQ1_0  | qs[48] | qh[4] | d |   five weights a byte (qh: four), in base three
//   TQ2_0  | qs[64] | d |           four weights a byte
//          value = d * (q - 1), q in {0, 1, 2} (TQ2_0 can also hold 3)
//
//   TQ1_0  byte b is ceil(n * 256 / 243) of a number n of five base-three digits, the first weight
//          the most significant: digit k is the whole part of (b * 3^k mod 256) * 3 / 256. Weights
//          0..159 are digits e / 32 of bytes qs[e % 32], weights 160..239 digits (e - 160) / 16 of
//          bytes qs[32 + e % 16], the last 16 digits (e - 240) / 4 of bytes qh[e % 4].
//   TQ2_0  bits 2k, 2k + 1 of qs[32 h + e % 32], h = e / 128, k = e % 128 / 32
//
// Any bits are a valid block. (Source: ggml ggml-common.h, ggml-quants.c.)
#ifndef BITLOSS_QUANT_FORMATS_GGML_TERNARY_BLOCKS_H_
#define BITLOSS_QUANT_FORMATS_GGML_TERNARY_BLOCKS_H_

#include "bitloss/quant/formats/ggml/k_blocks.h"

namespace bitloss {

struct BlockTQ1_0 {
  static constexpr size_t kWeights = kKBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kZeroPoint, 2, kKBlock};
  std::array<uint8_t, 48> qs;
  std::array<uint8_t, 4> qh;
  F16 d;
};
static_assert(sizeof(BlockTQ1_0) == 54);

struct BlockTQ2_0 {
  static constexpr size_t kWeights = kKBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kZeroPoint, 2, kKBlock};
  std::array<uint8_t, 64> qs;
  F16 d;
};
static_assert(sizeof(BlockTQ2_0) == 66);

void Unpack(const BlockTQ1_0& block, BlockCodes& out);
void Unpack(const BlockTQ2_0& block, BlockCodes& out);

// Importances are not looked at.
void Encode(KWeights weights, const GgmlImportance& importance, BlockTQ1_0& block);
void Encode(KWeights weights, const GgmlImportance& importance, BlockTQ2_0& block);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_GGML_TERNARY_BLOCKS_H_

// GGUF's own layouts of the 4-bit floats E2M1 (0, 0.5, 1, 1.5, 2, 3, 4, 6 and negatives; bit 3 is
// the sign). Tables here hold twice the value, as ggml's do.
//
//   MXFP4  | e | qs[16] |       32 weights; value = table[q] * 2^(e - 128)
//          the low half of qs[j] holds weight j, the high half weight j + 16
//   NVFP4  | d[4] | qs[32] |    64 weights, 4 sub-blocks of 16; value = table[q] * E4M3(d[s]) / 2
//          in the 8 bytes of a sub-block low halves are weights 0..7, high halves 8..15; d is
//          unsigned, and 0 and 0x7F mean 0
//
// MXFP4 is encoded as gguf-py does: e = floor(log2(max |w|)) - 2 + 127 (0 for zeros, and where that
// is below 0), code = the first of the nearest, so ties go to the lower code. NVFP4 is only decoded
// here: without a scale for the whole tensor, E4M3 is coarse at the size of weights; the format
// `nvfp4` has one. (Source: ggml ggml-common.h, ggml-quants.c, ggml-impl.h; gguf-py quants.py.)
#ifndef BITLOSS_QUANT_FORMATS_GGML_FLOAT_BLOCKS_H_
#define BITLOSS_QUANT_FORMATS_GGML_FLOAT_BLOCKS_H_

#include "bitloss/quant/formats/ggml/legacy_blocks.h"

namespace bitloss {

inline constexpr std::array<float, 16> kTwiceE2M1 = {0.0f,  1.0f,  2.0f,  3.0f,  4.0f,  6.0f,
                                                     8.0f,  12.0f, 0.0f,  -1.0f, -2.0f, -3.0f,
                                                     -4.0f, -6.0f, -8.0f, -12.0f};

struct BlockMXFP4 {
  static constexpr size_t kWeights = kLegacyBlock;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kTable, 4, kLegacyBlock, kTwiceE2M1};
  uint8_t e;
  std::array<uint8_t, kLegacyBlock / 2> qs;
};
static_assert(sizeof(BlockMXFP4) == 17);

struct BlockNVFP4 {
  static constexpr size_t kWeights = 64;
  static constexpr GgmlCoding kCoding = {GroupedCodes::Kind::kTable, 4, 16, kTwiceE2M1};
  std::array<uint8_t, 4> d;
  std::array<uint8_t, 32> qs;
};
static_assert(sizeof(BlockNVFP4) == 36);

void Unpack(const BlockMXFP4& block, BlockCodes& out);
void Unpack(const BlockNVFP4& block, BlockCodes& out);

// As in legacy_blocks.h.
void Pack(const BlockCodes& codes, BlockMXFP4& block);
void Encode(LegacyWeights weights, const GgmlImportance& importance, BlockMXFP4& block);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_GGML_FLOAT_BLOCKS_H_

// A block of a ggml format in the words of quant/format.h: codes, and a scale and perhaps a zero
// point or an offset for each group of them. Every decoder of this folder is a block's Unpack and
// the formula of its GroupedCodes::Kind, so that what is decoded and what a kernel multiplies
// cannot differ. The products of a code and a scale are exact in float32 (at most 24 bits) but for
// Q6_K's, which are rounded once either way.
#ifndef BITLOSS_QUANT_FORMATS_GGML_BLOCK_CODES_H_
#define BITLOSS_QUANT_FORMATS_GGML_BLOCK_CODES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bitloss/quant/format.h"
#include "bitloss/tensor/dtype.h"

namespace bitloss {

inline constexpr size_t kMaxGgmlBlock = 256;  // weights
inline constexpr size_t kMaxGgmlGroups = 32;  // of a block

// What all blocks of a type have in common; the fields mean what they mean in GroupedCodes.
struct GgmlCoding {
  GroupedCodes::Kind kind;
  int bits;
  size_t group_size;
  std::array<float, 16> table{};
};

struct BlockCodes {
  std::array<uint8_t, kMaxGgmlBlock> codes;
  std::array<float, kMaxGgmlGroups> scales;
  std::array<float, kMaxGgmlGroups> zeros;  // not of tables
};

// How much each weight of a row matters to a weighted encoder, and the row's mean square, which
// three of them look at. Sums run in ascending order in float32, as the reference's do.
struct GgmlImportance {
  std::span<const float> of_weights;  // [cols]; empty: all alike, the unweighted encoder
  float row_mean_square = 0.0f;
};

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_GGML_BLOCK_CODES_H_

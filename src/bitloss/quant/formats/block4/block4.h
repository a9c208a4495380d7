// What bitsandbytes' 4-bit formats (NF4, FP4) share: 64 neighbouring weights of the whole matrix,
// row after row, have one absmax and codes into a table of 16 levels. A block runs over the end of
// a row where rows are not a multiple of 64.
//
//   codes   4 bits each: byte k holds weight 2k in its HIGH half and weight 2k + 1 in its low half;
//           an odd last weight is followed by the code of 0
//   absmax  float32 max |w| of each block, the last of the weights that are there
//
//   v = w * (1 / absmax), rounded to float32 twice, clamped to [-1, 1]; in a last block that is not
//       full v = w / absmax
//   code: of the level that is nearest to v; on a midpoint (rounded to float32) of the lower level
//   value = level[code] * absmax, in float32
//
// A block of zeros: absmax 0 and the code of 0; if it is the last and not full, absmax is 1e-38,
// the floor that bitsandbytes divides by. Decoded it is zero. Equal weights are their absmax times
// a level of 1 or -1: themselves. NaN and infinity are kBadInput. Every shape is possible.
//
// Codes and absmax are those of bitsandbytes 0.50 on a CPU bit for bit (backends/default/ops.py,
// quantize_4bit, of a float32 tensor). Its CUDA kernels compare with constants that were rounded
// separately and do not clamp; codes of values on a midpoint may differ by one level.
#ifndef BITLOSS_QUANT_FORMATS_BLOCK4_BLOCK4_H_
#define BITLOSS_QUANT_FORMATS_BLOCK4_BLOCK4_H_

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "bitloss/quant/format.h"

namespace bitloss {

inline constexpr size_t kBlock4Weights = 64;

// The number of blocks, the last of which may not be full.
constexpr size_t NumBlocks4(size_t rows, size_t cols) {
  return (rows * cols + kBlock4Weights - 1) / kBlock4Weights;
}

struct Block4Table {
  std::array<float, 16> levels;       // by code
  std::array<uint8_t, 16> ascending;  // codes in the order of their levels
  std::array<float, 15> midpoints;    // between neighbours in that order
};
// Sorts the levels; of equal levels, the one with the lower code comes first.
Block4Table MakeBlock4Table(const std::array<float, 16>& levels);

struct Block4Planes {
  std::vector<uint8_t> codes;
  std::vector<float> absmax;
};
// Requires: finite weights.
Block4Planes EncodeBlock4(const Block4Table& table, ConstMatrixView weights);

// The code of weight k, counted row after row.
inline uint8_t Block4CodeAt(const SharedBytes& codes, size_t k) {
  const auto byte = static_cast<uint8_t>(codes.data()[k / 2]);
  return k % 2 == 0 ? byte >> 4 : byte & 0xF;
}

// Decodes weights [first, first + out.size()), counted row after row. absmax(block) -> float.
template <class AbsMax>
void DecodeBlock4(const Block4Table& table, const SharedBytes& codes, size_t first,
                  const AbsMax& absmax, std::span<float> out) {
  for (size_t i = 0; i < out.size();) {
    const size_t block = (first + i) / kBlock4Weights;
    const size_t end = std::min((block + 1) * kBlock4Weights - first, out.size());
    const float scale = absmax(block);
    for (; i < end; ++i) out[i] = table.levels[Block4CodeAt(codes, first + i)] * scale;
  }
}

// The groups are as long as possible with none over the end of a row: 64, or the greatest common
// divisor of 64 and the row.
GroupedCodes UnpackBlock4(const Block4Table& table, const EncodedMatrix& matrix,
                          std::span<const float> absmax);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_BLOCK4_BLOCK4_H_

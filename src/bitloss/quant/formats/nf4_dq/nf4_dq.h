// nf4_dq: nf4 with double quantization (bnb_4bit_use_double_quant): the absmax of each block is an
// 8-bit code itself. Codes are those of nf4.
//
//   codes   as nf4
//   scales  uint8 [blocks]: dyn256 code of (absmax - offset) / a2
//   extra   float32 a2[ceil(blocks / 256)], then float32 offset
//
//   offset = mean(absmax)              summed in float64, rounded once
//   d[b] = absmax[b] - offset          float32
//   a2[k] = max |d| of blocks 256 k to 256 k + 255
//   absmax'[b] = dyn256[code[b]] * a2[b / 256] + offset    product and sum rounded to float32
//   value = level * absmax'[b]         float32
//
// 4 + 8/64 + 32/(64 * 256) bits per weight, and the offset: 4.127.
//
// dyn256 is bitsandbytes' signed dynamic map: for each decade e from 10^-6 to 1, 2^e centres of
// evenly divided [0.1, 1] with both signs, and 0 and 1. The nearest entry is looked for as
// bitsandbytes does on a CPU: v in [-1, 1] is first put on a grid of 65536 points, so that v = 0
// becomes 1.5e-5 and one value in a thousand, next to a midpoint, goes to the other side; its CUDA
// kernels compare v itself. Given the same offset, codes and a2 are those of bitsandbytes 0.50 on a
// CPU bit for bit. Its offset is a float32 sum whose order depends on the machine, and so may
// differ in the last bits.
//
// Where all d are zero, a2 is 0 and absmax' is the offset. Edge cases otherwise as nf4.
//
// (Source: bitsandbytes 0.50 functional.py create_dynamic_map and quantize_4bit, csrc/cpu_ops.cpp;
// Dettmers et al., arXiv 2305.14314.)
#ifndef BITLOSS_QUANT_FORMATS_NF4_DQ_NF4_DQ_H_
#define BITLOSS_QUANT_FORMATS_NF4_DQ_NF4_DQ_H_

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "bitloss/quant/format.h"

namespace bitloss {

inline constexpr size_t kNestedBlock = 256;

// Ascending.
const std::array<float, 256>& DynamicMap();

struct NestedAbsMax {
  std::vector<uint8_t> codes;
  std::vector<float> a2;
  float offset = 0.0f;

  float At(size_t block) const;
};
// The second quantization alone, about a given offset.
NestedAbsMax EncodeAbsMax(std::span<const float> absmax, float offset);

FormatFamily Nf4DqFamily();

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_NF4_DQ_NF4_DQ_H_

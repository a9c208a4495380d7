// nvfp4: 16 neighbouring weights of a row share a scale in E4M3, the whole matrix a float32 one;
// elements are E2M1 (formats/small_float.h).
//
//   G    = 448 * 6 / absmax of the matrix
//   s    = E4M3(G * (absmax of the block / 6)), 0.125 where that is 0
//   code = E2M1(w / (s / G)), value = code * (s / G); all in float32, each operation rounded
//
//   codes   4 bits each, even weights in low halves, [rows][cols]
//   scales  E4M3, [rows][cols / 16]
//   extra   float32 G, as compressed-tensors stores it in weight_global_scale (ModelOpt's
//           weight_scale_2 is its reciprocal)
//
// Rounding to nearest, ties to even, saturating. 4.5 bits per weight. A matrix of zeros has G = 1.
// A block of zeros has codes of zeros; equal weights are 6 or -6 times a scale that is rounded to
// E4M3, within 1/16 of themselves. kBadInput for NaN, infinity and weights so small (below 2^-117)
// that G is infinite; kUnsupported, in supports, for rows that 16 does not divide.
//
// (Source: compressed-tensors quantization/utils/helpers.py, generate_gparam, calculate_qparams.)
#ifndef BITLOSS_QUANT_FORMATS_NVFP4_NVFP4_H_
#define BITLOSS_QUANT_FORMATS_NVFP4_NVFP4_H_

#include "bitloss/quant/format.h"

namespace bitloss {

inline constexpr size_t kNvFp4Block = 16;

FormatFamily NvFp4Family();

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_NVFP4_NVFP4_H_

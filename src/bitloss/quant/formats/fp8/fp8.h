// fp8_e4m3, fp8_e5m2: 8-bit floats (formats/small_float.h) and float32 scales. Written
// "fp8_e4m3[:row|:tensor|:block]"; M is the largest value, 448 or 57344.
//
//   row, tensor   scale = absmax / M of the row or the whole matrix
//                 code = round(clamp(w / scale, -M, M))        (compressed-tensors, vLLM)
//   block         of 128 x 128 weights; f = M / absmax, scale = 1 / f, code = round(clamp(w * f))
//                 (DeepSeek, transformers' fine-grained FP8; the scale is their weight_scale_inv)
//   value = code * scale, in float32
//
//   codes   a byte a weight, [rows][cols]
//   scales  float32: [rows], [1] or [ceil(rows / 128)][ceil(cols / 128)]
//
// Rounding is to nearest, ties to even, of a float32 quotient or product. The last blocks of a row
// and the last row of blocks may be smaller (as DeepSeek's padding with zeros makes them). 8 bits
// per weight and the scales. Where absmax is 0 the scale is 1 and the codes are 0. Equal weights
// are +-M times their scale. kBadInput for NaN and infinity. Every shape is possible.
//
// (Source: compressed-tensors quantization/utils/helpers.py; transformers
// quantizers/quantizer_finegrained_fp8.py. Bits of E4M3 and E5M2 are torch's float8_e4m3fn and
// float8_e5m2.)
#ifndef BITLOSS_QUANT_FORMATS_FP8_FP8_H_
#define BITLOSS_QUANT_FORMATS_FP8_FP8_H_

#include "bitloss/quant/format.h"
#include "bitloss/quant/formats/small_float.h"

namespace bitloss {

inline constexpr size_t kFp8Block = 128;

enum class Fp8Type { kOfE4M3, kOfE5M2 };
enum class Fp8Scale { kRow, kTensor, kBlock };
const Format& Fp8Format(Fp8Type type, Fp8Scale scale);

FormatFamily Fp8E4M3Family();
FormatFamily Fp8E5M2Family();

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_FP8_FP8_H_

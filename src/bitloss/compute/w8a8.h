// W8A8: both factors rounded to int8, the product exact in integers. Weights have one scale for a
// row (UnpackInt8 of llm_int8.h); activations one for a token, or one for all that calibration
// found. What every backend agrees on:
//
//   dynamic  scale[t] = max(max_i |x[t][i]|, 1e-5) / 127
//   static   scale[t] = Execution::activation_scale, the same for all
//   code[t][i] = nearest-even(x / scale), at most 127 in magnitude; in float32
//   y[t][o] = scale[t] * s[o] * sum_i code[t][i] q[o][i] + bias[o], the sum exact
//
// A static scale cuts off activations that are larger than any in the calibration text. A row with
// a NaN or infinity becomes NaN. (Source: mit-han-lab/smoothquant fake_quant.py, in float32 where
// it computes in FP16.)
#ifndef BITLOSS_COMPUTE_W8A8_H_
#define BITLOSS_COMPUTE_W8A8_H_

#include <span>

#include "bitloss/quant/scheme.h"

namespace bitloss {

// The codes of one row, as whole floats, and its scale; NaN with codes 0 for a row that is not
// finite.
// Requires: execution.kind is kW8A8; codes.size() == x.size().
float RoundToInt8(std::span<const float> x, const Execution& execution, std::span<float> codes);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_W8A8_H_

// LLM.int8() (Dettmers et al. 2022), as bitsandbytes computes it: both factors rounded to int8, one
// scale for each row, the product exact in integers; activation columns that hold an outlier go
// apart, in floating point. What every backend agrees on:
//
// Weights   W[o][i] = q[o][i] * s[o], q an integer in [-128, 127] (bitsandbytes: q = CB,
//           s = SCB / 127, so the 127 of the weights is inside s).
// One call  = the rows that a batch of one would pass at once. h = FP16(x), t = FP16(threshold).
//   outlier[t][i] = |h| >= threshold; never if the threshold is 0
//   columns       = { i : outlier[t][i] for any row t of the call }, ascending
//   absmax[t]     = max |h| over the row's elements that are not outliers (an ordinary element of
//                   an outlier column counts); 0 if there is none; NaN if the row holds a NaN
//   code[t][i]    = 0 in an outlier column, else nearest-even(h * (127 / absmax[t])), both
//                   operations in FP32; 0 where that is not finite (absmax 0 or infinite, NaN)
// y[t][o] = absmax[t] / 127 * s[o] * sum_i code[t][i] q[o][i]          the sum exact in int32
//         + sum over outlier columns of x[t][i] * (q[o][i] * s[o])     x as it was, not rounded
//         + bias[o]
//
// The outlier columns multiply the *decoded int8* weights, as the library does when it loads a
// model for inference; the paper kept FP16 weights there. A NaN activation makes its row NaN; an
// activation beyond FP16 is an outlier, or without a threshold makes its row NaN.
#ifndef BITLOSS_COMPUTE_LLM_INT8_H_
#define BITLOSS_COMPUTE_LLM_INT8_H_

#include <cstdint>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/quant/format.h"

namespace bitloss {

// W as integers and row scales.
struct Int8Weights {
  std::vector<int8_t> codes;  // [rows][cols]
  std::vector<float> scales;  // [rows]
};

// Longest row whose exact sum fits int32: 128 * 128 * in < 2^31.
inline constexpr size_t kMaxInt8Columns = size_t{1} << 16;

// kUnsupported if the format does not have one scale for a row and integers of 8 bits, or a row is
// longer than kMaxInt8Columns.
Result<Int8Weights> UnpackInt8(const EncodedMatrix& weights);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_LLM_INT8_H_

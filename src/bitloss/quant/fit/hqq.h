// HQQ (Badri and Shaji 2023): zero points that minimise an l_p norm (p < 1) of the weights' errors,
// without data, by half-quadratic steps. For the formats int*_group:G:float, whose zero points are
// floats.
//
//   scale = min((2^b - 1) / (max w - min w), 2e4), 1 where that range is at most 1e-4;
//   zero = -min w * scale (of 4 bits: rounded)
//   20 times, or until the mean |w - decoded| of the matrix does not fall:
//     q = clamp(round(w * scale + zero), 0, 2^b - 1);  r = (q - zero) / scale
//     d = w - r;  e = sign(d) * max(0, |d| - |d|^(p - 1) / beta)
//     zero = mean over the group of q - (w - e) * scale
//
// with p = 0.7, beta = 10, max and min of the group's weights; in float32, means in
// float64. Then 1 / scale and zero are stored in FP16 and codes chosen for them as stored.
// (Source: hqq 0.2.8 core/quantize.py, core/optimize.py, optimize_weights_proximal_legacy.)
#ifndef BITLOSS_QUANT_FIT_HQQ_H_
#define BITLOSS_QUANT_FIT_HQQ_H_

#include "bitloss/base/result.h"
#include "bitloss/base/threads.h"
#include "bitloss/quant/format.h"
#include "bitloss/tensor/matrix.h"

namespace bitloss {

// Requires: format.symmetry is kFloatZero and the format supports the shape. kBadInput for weights
// that are not finite or need a scale beyond FP16.
Result<EncodedMatrix> EncodeHqq(const Format& format, ConstMatrixView weights, ThreadPool& threads);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FIT_HQQ_H_

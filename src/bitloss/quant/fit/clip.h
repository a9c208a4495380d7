// Choosing where to clip each group of weights: for any format whose rows are encoded one by one,
// the bound at which what the group decodes to is nearest to the weights themselves.
//
//   m = m0 * (1 - k / 40), k = 0..19, m0 the group's largest magnitude (1.000 to 0.525)
//   error = sum over the group of importance[col] * (decode(encode(clamp(w, -m, m))) - w)^2
//
// in float64, the first of equal errors. Groups are the format's, or whole rows where it has one
// scale for a row. Without importances this is the least mean squared error of the weights; with
// the inputs' mean squares as importances, that of the outputs, inputs taken as uncorrelated.
#ifndef BITLOSS_QUANT_FIT_CLIP_H_
#define BITLOSS_QUANT_FIT_CLIP_H_

#include <span>

#include "bitloss/base/result.h"
#include "bitloss/base/threads.h"
#include "bitloss/quant/format.h"
#include "bitloss/tensor/matrix.h"

namespace bitloss {

inline constexpr size_t kClipSteps = 20;
inline constexpr double kClipGrid = 40.0;

// weights [out][in] clipped and encoded. importance is [in], none negative, or empty: all alike.
// Requires: format.row_coding is kIndependent and the format supports the shape.
Result<EncodedMatrix> EncodeClipped(const Format& format, ConstMatrixView weights,
                                    std::span<const float> importance, ThreadPool& threads);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FIT_CLIP_H_

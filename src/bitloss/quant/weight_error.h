// What encoding did to the weights of one matrix.
#ifndef BITLOSS_QUANT_WEIGHT_ERROR_H_
#define BITLOSS_QUANT_WEIGHT_ERROR_H_

#include <cstddef>
#include <cstdint>

#include "bitloss/quant/format.h"
#include "bitloss/tensor/matrix.h"

namespace bitloss {

// With w the weights, v the decoded values and d = v - w; sums in float64.
struct WeightError {
  uint64_t num_weights = 0;
  double squared_error = 0.0;    // sum d^2
  double squared_weights = 0.0;  // sum w^2

  // sqrt(sum d^2 / sum w^2). 0 if d is zero throughout, infinite if only w is.
  double relative_frobenius() const;
  // 10 log10(sum w^2 / sum d^2), in decibels; infinite if d is zero throughout.
  double sqnr_db() const;

  // The largest |d|, the first of equals by row, then column.
  double worst = 0.0;
  size_t worst_row = 0;
  size_t worst_col = 0;
  float worst_weight = 0.0f;
  float worst_decoded = 0.0f;

  // Weights beyond the last value of their group's grid by more than half the step to the one
  // before it: clipped, not rounded. Always 0 for formats without codes.
  uint64_t num_saturated = 0;
  // w != 0, v == 0.
  uint64_t num_flushed = 0;
};

// Requires: equal shapes.
WeightError MeasureWeightError(ConstMatrixView weights, const EncodedMatrix& encoded);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_WEIGHT_ERROR_H_

// What enters and leaves the parts of a decoder block as the baseline runs it; what fits that
// calibrate look at, on the host.
#ifndef BITLOSS_MODEL_OBSERVED_H_
#define BITLOSS_MODEL_OBSERVED_H_

#include <array>
#include <vector>

#include "bitloss/model/transformer.h"
#include "bitloss/model/weights.h"

namespace bitloss {

struct Observed {
  Matrix attention_input;  // of q, k, v
  Matrix heads;            // of o
  Matrix attention_output;
  Matrix feed_forward_input;  // of gate, up
  Matrix activated;           // of down
  Matrix feed_forward_output;

  const Matrix& InputOf(Linear linear) const;
};

// `inputs` [tokens of batch][hidden_size] is what enters the block.
// Requires: the batch has no cache.
Observed Observe(Transformer& transformer, const LayerWeights& weights, size_t layer,
                 const Batch& batch, ConstDeviceView inputs);

// mean_t x[t][j]^2 and max_t |x[t][j]| for each column of x [tokens][in]. Sums in float64.
std::vector<float> MeanSquares(ConstMatrixView x);
std::vector<float> ColumnMaxima(ConstMatrixView x);

Matrix CopyOf(ConstMatrixView from);
LayerSource CopyOf(const LayerSource& from);

}  // namespace bitloss

#endif  // BITLOSS_MODEL_OBSERVED_H_

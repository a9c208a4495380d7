// What enters and leaves the parts of a decoder block as the baseline runs it; what fits that
// calibrate look at, on the host.
#ifndef BITLOSS_MODEL_OBSERVED_H_
#define BITLOSS_MODEL_OBSERVED_H_

#include <array>
#include <vector>

#include "bitloss/model/transformer.h"
#include "bitloss/model/weights.h"

namespace bitloss {

// An expert that fewer rows of the calibration text chose is shown all of them.
inline constexpr size_t kFewestExpertRows = 128;

struct Observed {
  // Linears that read the same rows.
  struct Input {
    std::vector<size_t> linears;
    Matrix rows;
  };
  struct Part {
    Matrix input;
    Matrix stream;  // as PartInput::stream
    Matrix output;
  };
  std::vector<Input> inputs;
  std::array<Part, kNumBlockParts> parts;  // by BlockPart

  const Matrix& InputOf(size_t linear) const;
  Matrix& InputOf(size_t linear);
  const Part& part(BlockPart part) const { return parts[static_cast<size_t>(part)]; }
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
// The same without the matrices of its linears.
LayerSource CopyOfKept(const LayerSource& from);

}  // namespace bitloss

#endif  // BITLOSS_MODEL_OBSERVED_H_

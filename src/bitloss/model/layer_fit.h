// One decoder block fitted to one scheme: from the block as the checkpoint has it to encoded
// matrices.
#ifndef BITLOSS_MODEL_LAYER_FIT_H_
#define BITLOSS_MODEL_LAYER_FIT_H_

#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/model/importance.h"
#include "bitloss/model/transformer.h"
#include "bitloss/model/weights.h"
#include "bitloss/quant/scheme.h"

namespace bitloss {

struct FittedLayer {
  // Kept parts and biases as the lane has them; its weights may have been moved from.
  LayerSource source;
  std::vector<EncodedMatrix> encoded;  // as many as the block's linears
  // Of static activations: the largest magnitude of each linear's inputs / 127; else 0.
  std::vector<float> activation_scales;
};

// The calibration sequences at the entry of a block.
struct LayerInputs {
  const Batch* batch = nullptr;
  ConstDeviceView of_baseline;  // [tokens][hidden_size], from unquantized blocks
  ConstDeviceView of_lane;      // from the lane's own blocks; only GPTQ looks at it
};

// Whether a scheme looks at calibration inputs, and whether at those of its own blocks.
bool Calibrates(const Scheme& scheme);
bool FollowsItsOwnBlocks(const Scheme& scheme);

// `importance` may be null: then +imatrix takes the mean squares of the calibration inputs.
// kUnsupported and kBadInput name the linear.
Result<FittedLayer> FitLayer(Transformer& transformer, const LayerSource& source, size_t layer,
                             const LayerInputs& inputs, const Scheme& scheme,
                             const ImportanceFile* importance);

}  // namespace bitloss

#endif  // BITLOSS_MODEL_LAYER_FIT_H_

// Fits that look at activations, one decoder block at a time.
#ifndef BITLOSS_MODEL_CALIBRATION_H_
#define BITLOSS_MODEL_CALIBRATION_H_

#include "bitloss/base/result.h"
#include "bitloss/model/observed.h"
#include "bitloss/model/transformer.h"
#include "bitloss/model/weights.h"
#include "bitloss/quant/format.h"

namespace bitloss {

// Scales and clips a block's weights as AWQ does (quant/fit/awq.h) for a later nearest encoding in
// `format`: the result's weights hold W * diag(s), clipped, not yet rounded to the format; its
// norms (and the up projection's rows) have absorbed 1 / s, so in exact arithmetic without clipping
// the block computes what it did. Experts of a block share the scale of what they read, which their
// router takes as well. Inputs that no norm makes (norms after the parts, or one norm for both) are
// not scaled, nor is what a gate that is not linear in `up` makes.
//
// `source` is block `layer` as the baseline has it; `inputs` [tokens of batch][hidden_size] is what
// enters it, from the unquantized blocks before it: errors do not compound during the search.
// Requires: the batch has no cache; format supports every linear's shape.
Result<LayerSource> FitLayerAwq(Transformer& transformer, const LayerSource& source, size_t layer,
                                const Batch& batch, ConstDeviceView inputs, const Format& format);

// Moves the magnitude of a block's inputs into its weights as SmoothQuant does, for a later nearest
// encoding: for each input j of q, k, v and of gate, up
//
//   s_j = max(A_j^strength / max(W_j, 1e-5)^(1 - strength), 1e-5)
//
// A_j the largest |x_j| of the calibration inputs, W_j the largest |w_oj| of all consumers; weights
// are multiplied by s, the norm before them divided, and `seen`, which holds the calibration
// inputs, as well. o and down are left alone. kUnsupported if a norm leaves the range of FP16, or
// if there is no norm before each part.
// (Source: mit-han-lab/smoothquant smooth.py.)
Result<LayerSource> FitLayerSmoothQuant(const ModelConfig& config, const LayerSource& source,
                                        double strength, Observed& seen);

}  // namespace bitloss

#endif  // BITLOSS_MODEL_CALIBRATION_H_

// Fits that look at activations, one decoder block at a time.
#ifndef BITLOSS_MODEL_CALIBRATION_H_
#define BITLOSS_MODEL_CALIBRATION_H_

#include "bitloss/base/result.h"
#include "bitloss/model/transformer.h"
#include "bitloss/model/weights.h"
#include "bitloss/quant/format.h"

namespace bitloss {

// Scales and clips a block's weights as AWQ does (quant/fit/awq.h) for a later nearest encoding in
// `format`: the result's weights hold W * diag(s), clipped, not yet rounded to the format; its
// norms (and the up projection's rows) have absorbed 1 / s, so in exact arithmetic without clipping
// the block computes what it did.
//
// `source` is block `layer` as the baseline has it; `inputs` [tokens of batch][hidden_size] is what
// enters it, from the unquantized blocks before it: errors do not compound during the search.
// Requires: the batch has no cache; format supports every linear's shape.
Result<LayerSource> FitLayerAwq(Transformer& transformer, const LayerSource& source, size_t layer,
                                const Batch& batch, ConstMatrixView inputs, const Format& format);

}  // namespace bitloss

#endif  // BITLOSS_MODEL_CALIBRATION_H_

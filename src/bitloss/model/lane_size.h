// What a lane costs to store, from shapes and formats alone: nothing is read or encoded.
#ifndef BITLOSS_MODEL_LANE_SIZE_H_
#define BITLOSS_MODEL_LANE_SIZE_H_

#include <cstdint>

#include "bitloss/model/layer_plan.h"
#include "bitloss/model/weights.h"
#include "bitloss/quant/scheme.h"

namespace bitloss {

// Counts one linear of a decoder block, stored in `format`.
void AddLinear(const LinearSpec& linear, const Format& format, LaneSize& size);

// Everything but the decoder blocks' linears: in the lane's own format if that is plain, else in
// the baseline's, but for embedding and head where the scheme or its file type says what they are
// in. Requires: the scheme is resolved for the model.
uint64_t OtherBytes(const Scheme& scheme, const ModelSource& source);

// The whole lane. Requires: as OtherBytes.
LaneSize SizeOf(const Scheme& scheme, const ModelSource& source);

}  // namespace bitloss

#endif  // BITLOSS_MODEL_LANE_SIZE_H_

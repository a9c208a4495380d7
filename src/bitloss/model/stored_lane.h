// A lane from a checkpoint that is quantized already: nothing is fitted or encoded.
#ifndef BITLOSS_MODEL_STORED_LANE_H_
#define BITLOSS_MODEL_STORED_LANE_H_

#include <functional>

#include "bitloss/base/result.h"
#include "bitloss/compute/backend.h"
#include "bitloss/model/lane_builder.h"
#include "bitloss/model/weights.h"

namespace bitloss {

// What is multiplied with a checkpoint's matrices: inputs rounded as it means them to be, or as
// they come.
enum class StoredInputs { kAsServed, kUnrounded };

// The checkpoint's matrices as they are stored (ModelSource::StoredLinear), packed for `backend`;
// those that are quantized run as the checkpoint means them to (StoredQuantization::execution) if
// `inputs` says so, plain ones, norms and biases with the values that the file has. `layer_done` is
// called with the number of blocks done. kUnsupported names a matrix that no packed format or
// kernel can take.
Result<BuiltLane> BuildStoredLane(const ModelSource& stored, const Backend& backend,
                                  StoredInputs inputs,
                                  const std::function<void(size_t)>& layer_done);

}  // namespace bitloss

#endif  // BITLOSS_MODEL_STORED_LANE_H_

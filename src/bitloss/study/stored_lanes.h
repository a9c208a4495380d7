// Lanes that are checkpoints of their own: quantized by somebody, evaluated as they are.
#ifndef BITLOSS_STUDY_STORED_LANES_H_
#define BITLOSS_STUDY_STORED_LANES_H_

#include <memory>
#include <string>

#include "bitloss/base/result.h"
#include "bitloss/model/stored_lane.h"
#include "bitloss/store/records.h"
#include "bitloss/study/model_files.h"

namespace bitloss {

// Opens a checkpoint as a lane beside `baseline` and checks that it is a form of the same model.
// kBadInput names what differs: the architecture, a size, the rotary embedding, the norms' epsilon,
// a token. What may differ: the number of positions, whether the head is tied.
Result<std::shared_ptr<const ModelFiles>> OpenStoredLane(const ModelFiles& baseline,
                                                         const std::string& path);

// The record of such a lane before it is built: called `name`, or if that is empty after its folder
// or file. Where the checkpoint asks for more than its weights and that is not run, the name says
// so, and with it every table. kBadInput: unrounded inputs are asked for, and it rounds none.
Result<LaneRecord> PlanStoredLane(const ModelFiles& stored, StoredInputs inputs,
                                  const std::string& name);

// Fills in what is known once it is built: sizes, coverage.
void DescribeStoredLane(const BuiltLane& built, LaneRecord& record);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_STORED_LANES_H_

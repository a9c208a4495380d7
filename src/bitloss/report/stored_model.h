// What a quantized model was before its decoded weights became the FP16 baseline.
#ifndef BITLOSS_REPORT_STORED_MODEL_H_
#define BITLOSS_REPORT_STORED_MODEL_H_

#include <string>

#include "bitloss/store/records.h"

namespace bitloss {

// "decoded from Q4_1 (98.2 MB)"; empty for a model that was not quantized.
std::string StoredModel(const ModelRecord& model);

// The same in a cell beside the baseline's size: "from Q4_1, 98.2". Empty for any other lane.
std::string StoredModelNote(const ModelRecord& model, const LaneRecord& lane);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_STORED_MODEL_H_

// The scores of a text as a study's store holds them.
#ifndef BITLOSS_REPORT_STORED_SCORES_H_
#define BITLOSS_REPORT_STORED_SCORES_H_

#include "bitloss/base/result.h"
#include "bitloss/report/text_results.h"
#include "bitloss/store/store.h"

namespace bitloss {

// Units and the baseline's scores of one protocol. Requires: `protocol` is in the manifest.
Result<ProtocolScores> ReadProtocolScores(const Store& store, size_t protocol);

// What lane `lane` measured of the same units.
Result<LaneUnits> ReadLaneUnits(const Store& store, size_t lane, const ProtocolScores& scores);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_STORED_SCORES_H_

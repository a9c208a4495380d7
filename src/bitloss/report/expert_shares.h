// Of a mixture of experts: how many tokens a lane sends to other experts than the baseline does.
#ifndef BITLOSS_REPORT_EXPERT_SHARES_H_
#define BITLOSS_REPORT_EXPERT_SHARES_H_

#include <map>
#include <optional>

#include "bitloss/base/threads.h"
#include "bitloss/report/text_results.h"

namespace bitloss {

// Over the units that lane and baseline share. None unless each of them has them, with experts in
// the same layers: a share over some of a text would stand beside losses over all of it.
std::optional<ExpertShares> MeasureExperts(const ProtocolScores& scores, const LaneUnits& lane,
                                           const std::map<size_t, ExpertChanges>& by_unit,
                                           ThreadPool& threads);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_EXPERT_SHARES_H_

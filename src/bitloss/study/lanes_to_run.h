// Which lanes of a study lack a number, as rank 0's store tells, and how the other ranks learn it.
#ifndef BITLOSS_STUDY_LANES_TO_RUN_H_
#define BITLOSS_STUDY_LANES_TO_RUN_H_

#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/store/baseline_rows.h"
#include "bitloss/store/store.h"
#include "bitloss/study/lanes.h"
#include "bitloss/study/options.h"
#include "bitloss/study/study_plan.h"
#include "bitloss/team/team.h"

namespace bitloss {

// Of the lanes that the options ask for, those that lack something, after the baseline, which is
// `complete` or `head_only` if that will do; none if the study is complete. On rank 0.
Result<std::vector<LanePlan>> FindLanesToRun(const StudyPlan& plan, const StudyOptions& options,
                                             const Store& store, const BaselineRows& rows);

// Puts what rank 0 found, or its error, in the place of every rank's `lanes`. Requires: on the
// other ranks `lanes` are all that the options ask for.
Status ShareLanes(Team& team, Result<std::vector<LanePlan>> found, std::vector<LanePlan>& lanes);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_LANES_TO_RUN_H_

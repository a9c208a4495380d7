// The passes of a study. Another one is a file beside these and a line in the list.
#ifndef BITLOSS_STUDY_PASSES_PASSES_H_
#define BITLOSS_STUDY_PASSES_PASSES_H_

#include <memory>
#include <vector>

#include "bitloss/study/options.h"
#include "bitloss/study/passes/pass.h"
#include "bitloss/study/study_plan.h"

namespace bitloss {

// In the order in which they run: a pass may read what those before it stored. Requires: the plan
// outlives them.
std::vector<std::unique_ptr<const Pass>> PassesOf(const StudyPlan& plan,
                                                  const StudyOptions& options);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_PASSES_PASSES_H_

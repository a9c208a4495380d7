#ifndef BITLOSS_CLI_PLAN_H_
#define BITLOSS_CLI_PLAN_H_

#include "bitloss/base/result.h"
#include "bitloss/study/options.h"

namespace bitloss {

// `bitloss run --plan`: prints what the study would resolve and cost; runs a pilot, stores nothing.
Result<int> PrintPlan(const StudyOptions& options);

}  // namespace bitloss

#endif  // BITLOSS_CLI_PLAN_H_

#ifndef BITLOSS_CLI_PLAN_H_
#define BITLOSS_CLI_PLAN_H_

#include "bitloss/base/result.h"
#include "bitloss/study/options.h"

namespace bitloss {

// `bitloss run --plan`: prints what the study is, from its files alone, and what this machine needs
// for it at the limit that is measured in about a second; makes no lane.
Result<int> PrintPlan(const StudyOptions& options);

// `bitloss run --pilot`: makes the lanes, runs a pilot and prints what the study would resolve and
// cost; stores nothing.
Result<int> PrintPilot(const StudyOptions& options);

}  // namespace bitloss

#endif  // BITLOSS_CLI_PLAN_H_

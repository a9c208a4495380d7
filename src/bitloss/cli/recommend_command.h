#ifndef BITLOSS_CLI_RECOMMEND_COMMAND_H_
#define BITLOSS_CLI_RECOMMEND_COMMAND_H_

#include "bitloss/cli/commands.h"

namespace bitloss {

// The lane of a study to take.
void AddRecommendCommand(CLI::App& app, Action& action);

}  // namespace bitloss

#endif  // BITLOSS_CLI_RECOMMEND_COMMAND_H_

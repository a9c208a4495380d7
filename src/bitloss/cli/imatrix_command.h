// `bitloss imatrix`.
#ifndef BITLOSS_CLI_IMATRIX_COMMAND_H_
#define BITLOSS_CLI_IMATRIX_COMMAND_H_

#include "bitloss/cli/commands.h"

namespace bitloss {

void AddImatrixCommand(CLI::App& app, Action& action);

}  // namespace bitloss

#endif  // BITLOSS_CLI_IMATRIX_COMMAND_H_

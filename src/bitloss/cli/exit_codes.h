// What the program's exit code says: 0 done; 1 and 2, where a command gives them a meaning; 3 and
// up, an error of that kind.
#ifndef BITLOSS_CLI_EXIT_CODES_H_
#define BITLOSS_CLI_EXIT_CODES_H_

#include <string>
#include <string_view>

#include "bitloss/base/result.h"

namespace bitloss {

int ExitCode(const Error& error);

// "Exit codes: 0 done, 3 bad input, ..."; `own` is what a command says itself.
std::string ExitCodesLine(std::string_view own = "0 done");

// A line for each, with what is meant.
std::string ExitCodesTable();

}  // namespace bitloss

#endif  // BITLOSS_CLI_EXIT_CODES_H_

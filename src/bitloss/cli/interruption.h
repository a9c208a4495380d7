// What a person who presses Ctrl-C is told.
#ifndef BITLOSS_CLI_INTERRUPTION_H_
#define BITLOSS_CLI_INTERRUPTION_H_

#include <filesystem>

namespace bitloss {

// From now on an interruption (SIGINT, SIGTERM) ends the process as it would without this, after a
// line that says what is left: what is finished is kept in `kept`, and the same command goes on;
// or, while there is nothing of that name, that nothing was stored. Paths of more than about a
// thousand bytes are cut. Called once.
void SayWhatIsKeptWhenInterrupted(const std::filesystem::path& kept);

}  // namespace bitloss

#endif  // BITLOSS_CLI_INTERRUPTION_H_

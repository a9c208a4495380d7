// The options of everything that may calibrate, the same for all commands.
#ifndef BITLOSS_CLI_CALIBRATION_OPTIONS_H_
#define BITLOSS_CLI_CALIBRATION_OPTIONS_H_

#include <CLI/CLI.hpp>

#include "bitloss/study/options.h"

namespace bitloss {

// Requires: `options` outlives `command`.
void AddCalibrationOptions(CLI::App& command, StudyOptions& options);

}  // namespace bitloss

#endif  // BITLOSS_CLI_CALIBRATION_OPTIONS_H_

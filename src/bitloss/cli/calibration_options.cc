#include "bitloss/cli/calibration_options.h"

namespace bitloss {

void AddCalibrationOptions(CLI::App& command, StudyOptions& options) {
  const CLI::Range at_least_one(size_t{1}, size_t{1} << 40);
  command.add_option(
      "--calibration", options.calibration,
      "UTF-8 text for schemes that calibrate, or owner/name:FILE; by default one that ships with "
      "bitloss");
  command.add_option("--calibration-tokens", options.calibration_tokens, "How much of it")
      ->check(at_least_one)
      ->capture_default_str();
  command
      .add_option("--calibration-sequence", options.calibration_sequence,
                  "Tokens of a sequence of it")
      ->check(at_least_one)
      ->capture_default_str();
  command.add_option("--calibration-seed", options.calibration_seed,
                     "Draw its sequences from the whole text; by default they are the first");
  command.add_option("--imatrix", options.imatrix,
                     "Importance matrix of llama.cpp for +imatrix; without one, the calibration "
                     "text's mean squares");
}

}  // namespace bitloss

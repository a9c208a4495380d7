// The text that calibrating fits look at.
#ifndef BITLOSS_STUDY_CALIBRATION_TEXT_H_
#define BITLOSS_STUDY_CALIBRATION_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/model/importance.h"
#include "bitloss/study/model_files.h"
#include "bitloss/study/options.h"

namespace bitloss {

// What calibrating fits look at.
struct Calibration {
  std::string text_name;
  std::string text_hash;                        // SHA-256 of the file
  std::vector<std::vector<int32_t>> sequences;  // of one length, in the order of the text
  std::optional<uint64_t> seed = {};            // that drew them; none: they are the text's first
  // Of options.imatrix, if there is one.
  std::optional<ImportanceFile> importance;
  std::string importance_name;
  std::string importance_hash;
  // Why there is none, if there is none: only lanes that calibrate need one.
  std::optional<Error> missing = {};

  size_t num_tokens() const;
};

// Cuts the calibration text (options.calibration, or the one that ships) into sequences of
// options.calibration_sequence tokens, or as many as the model takes, and keeps
// options.calibration_tokens of them: the first or, with options.calibration_seed, sequences that
// are drawn without replacement from the whole text. A text that has fewer is taken whole.
// kBadInput if it has not one whole sequence. Where the text that ships is asked for and not there,
// the calibration is empty and says so in `missing`.
Result<Calibration> ReadCalibration(const ModelFiles& model, const StudyOptions& options);

// The text and what was taken of it, for a lane's record; what differs between two of them, for a
// lane's definition ("8x512 tokens of 0123456789ab").
std::string CalibrationJson(const Calibration& calibration);
std::string DefinitionOf(const Calibration& calibration);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_CALIBRATION_TEXT_H_

// What a lane is: everything that its numbers depend on beyond the study's manifest.
#ifndef BITLOSS_STUDY_LANE_IDENTITY_H_
#define BITLOSS_STUDY_LANE_IDENTITY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "bitloss/base/result.h"
#include "bitloss/quant/scheme.h"
#include "bitloss/study/calibration_text.h"
#include "bitloss/study/mixed_scheme.h"

namespace bitloss {

// What schemes are fitted with.
struct LaneInputs {
  const Calibration& calibration;
  uint64_t seed = 0;
};

// Whether the scheme takes its importances from a file rather than from the calibration text.
bool UsesImportanceFile(const Scheme& scheme, const Calibration& calibration);

// calibration.missing if the scheme's fit looks at a text that is not there.
Status CheckCalibration(const Scheme& scheme, const Calibration& calibration);

// The scheme with every choice settled, for people: "int4_group:64:asym+awq(8x512 tokens of ...)".
// Requires: it is resolved for the model.
std::string DefinitionOf(const Scheme& scheme, const LaneInputs& inputs);

// LaneRecord::identity of a scheme, of a mixed scheme, and of a checkpoint with this hash:
//   {"scheme": "int4_group:64:asym+awq",
//    "calibration": {"text": SHA-256, "sequences": 8, "tokens_each": 512, "seed": 5}}
//   {"scheme": "nf4+imatrix", "imatrix": SHA-256}
//   {"scheme": "mixed", "layers": SHA-256}
//   {"scheme": "checkpoint", "files": SHA-256, "inputs": "@fp8"}
std::string IdentityOf(const Scheme& scheme, const LaneInputs& inputs);
std::string IdentityOf(const MixedScheme& mixed, const LaneInputs& inputs);
// `inputs`: the execution that the checkpoint is run with, "unrounded" instead of it, or nothing.
std::string IdentityOfCheckpoint(const std::string& hash, const std::string& inputs);

// What two identities disagree on first, in words: ("calibration tokens_each = 512", "128"); the
// scheme before anything else. None if they are one.
std::optional<std::pair<std::string, std::string>> DifferenceOf(const std::string& ours,
                                                                const std::string& theirs);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_LANE_IDENTITY_H_

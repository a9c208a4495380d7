// The lanes of a study: from scheme strings to records and weights.
#ifndef BITLOSS_STUDY_LANES_H_
#define BITLOSS_STUDY_LANES_H_

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/model/lane_builder.h"
#include "bitloss/model/stored_lane.h"
#include "bitloss/quant/scheme.h"
#include "bitloss/store/records.h"
#include "bitloss/study/calibration_text.h"
#include "bitloss/study/mixed_scheme.h"
#include "bitloss/study/model_files.h"
#include "bitloss/study/options.h"

namespace bitloss {

// A lane before it is built.
struct LanePlan {
  LaneRecord record;
  Scheme scheme;
  std::optional<MixedScheme> mixed =
      {};  // of a lane that a file describes; then `scheme` is its first
  std::shared_ptr<const ModelFiles> stored = nullptr;  // a checkpoint of its own; then no scheme
  StoredInputs stored_inputs = StoredInputs::kAsServed;
  // Of each scheme (of a mixed lane each component): what its fitted blocks depend on.
  std::vector<std::string> fits = {};
  // Of the baseline, if it lacks nothing itself and runs for the others' sake.
  bool complete = false;
  // Of the baseline, where all that the others are compared with is kept: its output head alone.
  bool head_only = false;
};

// Lane 0 (the baseline), one for each scheme that is asked for, resolved for the model's shapes,
// one for each checkpoint (stored_lanes.h), and options.control. Lanes that the study has already
// keep their numbers; new ones follow. kBadInput for two lanes of one name, and, saying what
// differs, for a lane that `existing` has under this name and another identity.
Result<std::vector<LanePlan>> PlanLanes(const ModelFiles& model, const StudyOptions& options,
                                        const Calibration& calibration,
                                        std::span<const LaneRecord> existing);

// Fills in what is known once the lane is built: sizes, coverage, and what became of the weights
// where the lane is a cast of the model.
Status DescribeBuiltLane(const ModelSource& source, const LaneWeights& weights, LanePlan& plan);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_LANES_H_

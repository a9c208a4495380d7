// A lane as it is asked for on the command line: "nf4", "models/a", "mine=models/a".
#ifndef BITLOSS_STUDY_LANE_REQUEST_H_
#define BITLOSS_STUDY_LANE_REQUEST_H_

#include <string>
#include <string_view>

#include "bitloss/base/result.h"

namespace bitloss {

struct LaneRequest {
  std::string name;  // empty: named after what it is
  std::string what;  // a scheme, the file of a mixed scheme, or a checkpoint's path
};

// What stands before the first '=' is a name if it has no other characters than letters, digits,
// '.', '_' and '-', and is not empty. So the '=' of a scheme ("nf4+head=int8_row") begins no name,
// nor does that of a path with a '/' before it: a path "a=b" is written "./a=b".
// kBadInput for the name of a scheme: its lane would be taken for that scheme's.
Result<LaneRequest> ParseLaneRequest(std::string_view text);

// The same of a checkpoint. "@weights" at the end asks for its weights alone.
struct CheckpointRequest {
  LaneRequest lane;
  bool weights_alone = false;
};
Result<CheckpointRequest> ParseCheckpointRequest(std::string_view text);

bool IsSchemeName(std::string_view name);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_LANE_REQUEST_H_

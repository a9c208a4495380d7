#include "bitloss/study/lane_request.h"

#include "bitloss/quant/scheme.h"

namespace bitloss {

Result<LaneRequest> ParseLaneRequest(std::string_view text) {
  constexpr std::string_view kNames =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  const size_t end = text.find_first_not_of(kNames);
  if (end == text.npos || end == 0 || text[end] != '=') return LaneRequest{"", std::string(text)};
  const std::string name(text.substr(0, end));
  if (IsSchemeName(name)) {
    return BadInput("a lane cannot be called '{}': that is a scheme; give it another name", name);
  }
  return LaneRequest{name, std::string(text.substr(end + 1))};
}

Result<CheckpointRequest> ParseCheckpointRequest(std::string_view text) {
  constexpr std::string_view kWeights = "@weights";
  CheckpointRequest request;
  request.weights_alone = text.ends_with(kWeights);
  if (request.weights_alone) text.remove_suffix(kWeights.size());
  BITLOSS_TRY(request.lane, ParseLaneRequest(text));
  return request;
}

bool IsSchemeName(std::string_view name) { return ParseScheme(name).ok(); }

}  // namespace bitloss

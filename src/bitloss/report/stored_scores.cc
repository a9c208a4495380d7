#include "bitloss/report/stored_scores.h"

namespace bitloss {

Result<LaneUnits> ReadLaneUnits(const Store& store, size_t lane, const ProtocolScores& scores) {
  LaneUnits units;
  for (const TextUnit& unit : scores.units) {
    BITLOSS_TRY(std::optional<TokenScores> one, store.TextScores(lane, scores.protocol, unit.unit));
    units.push_back(std::move(one));
  }
  return units;
}

Result<ProtocolScores> ReadProtocolScores(const Store& store, size_t protocol) {
  ProtocolScores scores;
  scores.protocol = protocol;
  scores.num_units = store.manifest().protocols[protocol].num_units;
  BITLOSS_TRY(scores.units, store.TextUnits(protocol));
  BITLOSS_TRY(scores.baseline, ReadLaneUnits(store, 0, scores));
  return scores;
}

}  // namespace bitloss

// Of a mixture of experts: which tokens go to other experts than in the baseline.
#ifndef BITLOSS_METRICS_EXPERT_CHANGES_H_
#define BITLOSS_METRICS_EXPERT_CHANGES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bitloss {

// One lane's on the scored tokens of one sequence, where what predicts them is computed. In a layer
// a token's experts are a set: in which order, and with what weights, is not looked at.
struct ExpertChanges {
  size_t lane = 0;                    // not 0
  std::vector<uint32_t> layers = {};  // of the model, rising: those that have experts
  // [layer][scored token]: 1 where the set is not the baseline's.
  std::vector<uint8_t> changed = {};
  bool operator==(const ExpertChanges&) const = default;
};

}  // namespace bitloss

#endif  // BITLOSS_METRICS_EXPERT_CHANGES_H_

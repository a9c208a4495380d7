// Which tensor gets how many bits: a greedy allocation under a budget.
#ifndef BITLOSS_STUDY_BIT_ALLOCATION_H_
#define BITLOSS_STUDY_BIT_ALLOCATION_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace bitloss {

// What a tensor costs in one format, and what it does to the output when it alone has that format.
struct TensorChoice {
  uint64_t bytes = 0;
  double kl = 0.0;
};

// Every tensor begins with its smallest choice; then, as long as the budget allows, the one
// exchange that saves most KL per byte is made (of equals the first tensor's, then the first
// choice's). The sum of single KLs is taken for the whole: the additivity ratio of a sensitivity
// analysis says how far that holds. The choice of each tensor; none if even the smallest choices
// exceed the budget. Requires: every tensor has a choice.
std::optional<std::vector<size_t>> AllocateBits(std::span<const std::vector<TensorChoice>> tensors,
                                                uint64_t max_bytes);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_BIT_ALLOCATION_H_

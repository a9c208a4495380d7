// Where an answer leaves the baseline's: the first token that differs, and how close the call was.
#ifndef BITLOSS_REPORT_FORK_H_
#define BITLOSS_REPORT_FORK_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "bitloss/store/records.h"

namespace bitloss {

// What one side says at a fork.
struct Branch {
  std::optional<int32_t> token;  // none: the answer ends here
  std::string text;              // its words from here on: the start of them
  // Of this side's token, on the beginning that both share; absent where the study does not say.
  std::optional<double> baseline_probability;
  std::optional<double> lane_probability;
};

struct Fork {
  size_t position = 0;  // tokens that both answers share
  std::string shared;   // the end of the text that they share
  Branch baseline;
  Branch lane;

  // The baseline would have said the lane's token at least half as readily as its own: here the two
  // differ as two honest readings of one distribution do. Unknown without the probabilities.
  std::optional<bool> NearTie() const;
};

// The fork of `lane` from `baseline`, two answers to one prompt; none if their tokens are equal.
// Probabilities are over the whole vocabulary, before any temperature, as `record` has them; null:
// not recorded.
std::optional<Fork> FindFork(const Answer& baseline, const Answer& lane, const AnswerFork* record);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_FORK_H_

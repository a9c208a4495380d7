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
  // Of this side's token, on the prefix that both share; absent where the records do not hold it.
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
// Probabilities are softmax of raw logits over the whole vocabulary. Those of the baseline's token
// come from the losses on the baseline's own answer (`baseline_scores`, `lane_scores`; null: not
// scored), those of the lane's token from the top logits stored for the first positions, with the
// normaliser that the same losses give.
std::optional<Fork> FindFork(const Answer& baseline, const TokenScores* baseline_scores,
                             const Answer& lane, const TokenScores* lane_scores);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_FORK_H_

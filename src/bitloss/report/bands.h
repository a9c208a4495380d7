// Where in a text a lane differs: its divergence by the position of a token in its sequence, and by
// how sure the baseline was of what comes next.
//
// A token's position is the number of tokens that its sequence has before it, scored or not (a BOS
// is one): what the model had read when it predicted the token. Every protocol scores a sequence's
// last tokens, from first_scored = num_tokens - num_scored on, so llamacpp-512, which scores the
// second half of its chunks, has positions 257 to 511 and none before.
#ifndef BITLOSS_REPORT_BANDS_H_
#define BITLOSS_REPORT_BANDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bitloss/base/threads.h"
#include "bitloss/stats/estimate.h"

namespace bitloss {

struct ProtocolScores;
struct TokenScores;

// The tokens whose position, or whose baseline probability, lies in [low, high).
struct Band {
  std::string name = {};  // "16-31" tokens before it, "50-75 %"
  double low = 0.0;
  double high = 0.0;
  uint64_t num_tokens = 0;
  Estimate kl = {};  // mean, nats/token; clustered as the protocol is
};

struct Bands {
  // By position: doubling from 16 on.
  std::vector<Band> by_position;
  // By the probability of the baseline's most likely token: 0, 10, 25, 50, 75, 90, 99, 100 %.
  std::vector<Band> by_confidence;
};

// Over the units that lane and baseline share; bands without a token are left out, and
// by_confidence is empty where the baseline's probabilities were not stored.
// Requires: one entry of `lane` for each unit of `scores`.
Bands MeasureBands(const ProtocolScores& scores,
                   const std::vector<std::optional<TokenScores>>& lane, ThreadPool& threads);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_BANDS_H_

// From the losses of scored tokens to a protocol's perplexity.
#ifndef BITLOSS_DATA_PERPLEXITY_H_
#define BITLOSS_DATA_PERPLEXITY_H_

#include <optional>
#include <span>
#include <vector>

#include "bitloss/data/protocol.h"

namespace bitloss {

// kWeightedMean: nll = sum_i weight_i * mean_i / sum_i weight_i, in nats per token.
// kPerWord:      nll = sum of all losses / words, in nats per word; with it, per byte:
//                byte_perplexity = exp(sum / bytes), bits_per_byte = sum / (bytes ln 2).
// In both, perplexity = exp(nll), so ln of a ratio of perplexities is a difference of `nll`.
// A token of probability zero has infinite loss, and so have these.
struct Perplexity {
  double nll = 0.0;
  double perplexity = 0.0;
  std::optional<double> byte_perplexity;
  std::optional<double> bits_per_byte;
};

// `nlls[i]` holds -ln p of each scored token of windows.sequences[i], in nats.
// FP64 sums in the order of the sequences: the same bits however the losses were computed.
// Requires: as many entries as sequences, each with num_scored() losses, none NaN.
Perplexity ProtocolPerplexity(const Windows& windows, std::span<const std::vector<double>> nlls);

}  // namespace bitloss

#endif  // BITLOSS_DATA_PERPLEXITY_H_

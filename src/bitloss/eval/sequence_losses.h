// The loss of every token of one sequence, for scripts that check a model.
#ifndef BITLOSS_EVAL_SEQUENCE_LOSSES_H_
#define BITLOSS_EVAL_SEQUENCE_LOSSES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/metrics/top_k.h"
#include "bitloss/model/transformer.h"

namespace bitloss {

struct SequenceLosses {
  std::vector<double> nll;               // of tokens 1, 2, ..., in nats
  std::vector<int32_t> top1;             // the most likely next token after each
  std::vector<ScoredToken> last_logits;  // the largest after the last token
};

// How the tokens enter: all at once, or one at a time through a cache. The results are the same.
enum class Feeding { kWhole, kTokenByToken };

// kBadInput if a logit is not usable. Requires: 1 to max_positions tokens, each < vocab_size.
Result<SequenceLosses> LossesOf(Transformer& transformer, const LaneWeights& lane,
                                std::span<const int32_t> tokens, Feeding feeding,
                                size_t num_logits);

}  // namespace bitloss

#endif  // BITLOSS_EVAL_SEQUENCE_LOSSES_H_

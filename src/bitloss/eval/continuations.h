// How likely a lane finds given continuations of given contexts.
//
// What continuations begin with alike is computed once: the sequences of a call become branches of
// each other where neighbours share a beginning. No number depends on it: every row's arithmetic is
// what it would be alone. Where that is not so, sequences stay whole: in LLM.int8, which looks at a
// whole call, a sequence, for its outliers; in layers that carry a state from token to token, or
// attend to an earlier layer's keys; and where the rotation depends on a sequence's length.
#ifndef BITLOSS_EVAL_CONTINUATIONS_H_
#define BITLOSS_EVAL_CONTINUATIONS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/model/transformer.h"

namespace bitloss {

// Context and continuation; the latter begins with token `first_scored`. The last token is
// predicted and not read. Requires: 0 < first_scored < tokens.size(); one position less than tokens
// at most.
struct Continuation {
  std::span<const int32_t> tokens;
  size_t first_scored = 1;
};

struct ContinuationScore {
  double log_likelihood = 0.0;  // nats: the sum over the continuation's tokens, from the first on
  bool greedy = false;          // each token is the most likely one; of equals the lowest id is
  bool operator==(const ContinuationScore&) const = default;
};

// Beginnings shorter than this are not shared: a BOS token is no reason to compute things together.
inline constexpr size_t kShortestShared = 16;

// How many tokens go through the model: those that each does not share with the one before it.
size_t NumDistinctTokens(std::span<const Continuation> continuations);

// One score for each. kBadInput if a logit is not usable. Requires: `lane` has its blocks.
Result<std::vector<ContinuationScore>> ScoreContinuations(
    Transformer& transformer, const LaneWeights& lane, std::span<const Continuation> continuations);

}  // namespace bitloss

#endif  // BITLOSS_EVAL_CONTINUATIONS_H_

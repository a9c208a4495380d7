// Answers to prompts: all prompts of a call are decoded as one batch.
#ifndef BITLOSS_EVAL_GENERATION_H_
#define BITLOSS_EVAL_GENERATION_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/metrics/top_k.h"
#include "bitloss/model/transformer.h"

namespace bitloss {

struct Sampling {
  double temperature = 0.7;  // > 0
  uint64_t seed = 0;         // lanes with the same seed share their dice (Gumbel-max coupling)
  uint64_t sample = 0;       // the how-manieth answer to the same prompt
};

struct GenerationOptions {
  std::vector<int32_t> end_tokens;   // any of these ends an answer
  std::optional<Sampling> sampling;  // none: greedy, ties to the lowest id
  // Raw logits that are kept, for the first positions of each answer.
  size_t num_top_positions = 10;
  size_t num_top_logits = 50;
};

struct GenerationPrompt {
  std::vector<int32_t> tokens;
  size_t max_new_tokens = 100;
  std::string id;  // names the prompt's dice; the same in every lane
};

enum class Finish { kEndToken, kLimit };

struct Generated {
  std::vector<int32_t> tokens;  // without the end token
  Finish finish = Finish::kLimit;
  std::optional<int32_t> end_token;
  std::vector<std::vector<ScoredToken>> top_logits;  // [position][rank], largest first
  // This answer's share of the batch's time: each step's seconds divided among the prompts in it.
  double seconds = 0.0;
};

// The speeds of one call.
struct GenerationSpeed {
  size_t prefill_tokens = 0;
  double prefill_seconds = 0.0;
  size_t decode_tokens = 0;
  double decode_seconds = 0.0;
};

// Called once for each prompt, when its answer ends; in any order. An error ends the call.
using AnswerDone = std::function<Status(size_t prompt, Generated answer)>;
// Called after each step with the tokens generated so far by the whole batch.
using GenerationStep = std::function<void(size_t num_tokens)>;

// A prompt's answer does not depend on the others in the batch. An answer stops where the model's
// positions end. kBadInput if a logit is NaN or infinite.
// Requires: every prompt has tokens, fewer than max_positions, and max_new_tokens > 0.
Result<GenerationSpeed> Generate(Transformer& transformer, const LaneWeights& lane,
                                 std::span<const GenerationPrompt> prompts,
                                 const GenerationOptions& options, const AnswerDone& done,
                                 const GenerationStep& step = {});

}  // namespace bitloss

#endif  // BITLOSS_EVAL_GENERATION_H_

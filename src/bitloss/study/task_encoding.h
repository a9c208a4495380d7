// A task's items as a model reads them: tokens, as lm-evaluation-harness makes them.
//
// Context and continuation are encoded together, and the first tokens of the whole, as many as the
// context alone has, give way to the context's own. White space that a context ends in belongs to
// the continuation, since tokens begin with it. A text that is not preceded by anything follows the
// token that begins texts (BOS, or EOS where a model has none); what the tokenizer puts before a
// text it puts before a context, unless that begins so already. A sequence that is too long loses
// its first tokens.
#ifndef BITLOSS_STUDY_TASK_ENCODING_H_
#define BITLOSS_STUDY_TASK_ENCODING_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/tokenizer/tokenizer.h"

namespace bitloss {

struct EncodedContinuation {
  std::vector<int32_t> tokens;
  size_t first_scored = 1;
  size_t num_cut = 0;  // tokens that were lost at the beginning
  size_t num_scored() const { return tokens.size() - first_scored; }
};

// kBadInput if the continuation has no token of its own, or more than the model has positions.
Result<EncodedContinuation> EncodeContinuation(const Tokenizer& tokenizer, std::string_view context,
                                               std::string_view continuation, size_t max_positions);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_TASK_ENCODING_H_

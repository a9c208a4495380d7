#ifndef BITLOSS_TOKENIZER_TOKEN_ID_H_
#define BITLOSS_TOKENIZER_TOKEN_ID_H_

#include <cstdint>

namespace bitloss {

// A row of the embedding. Never negative in the output of a tokenizer.
using TokenId = int32_t;

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_TOKEN_ID_H_

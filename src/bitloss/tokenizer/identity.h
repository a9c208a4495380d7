#ifndef BITLOSS_TOKENIZER_IDENTITY_H_
#define BITLOSS_TOKENIZER_IDENTITY_H_

#include <string>

#include "bitloss/tokenizer/tokenizer_parts.h"

namespace bitloss {

// SHA-256 over all that decides ids. Two files that say the same in other words (spacing, order of
// keys, merges as lines or pairs) have one identity.
std::string IdentityOf(const TokenizerParts& parts);

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_IDENTITY_H_

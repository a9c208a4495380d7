// A tokenizer as protocols see it.
#ifndef BITLOSS_DATA_TEXT_ENCODER_H_
#define BITLOSS_DATA_TEXT_ENCODER_H_

#include "bitloss/data/protocol.h"
#include "bitloss/tokenizer/tokenizer.h"

namespace bitloss {

// Encodes as `tokenizer(text)` of transformers does, less the tokens put around: the text of a
// control token is that token. `num_bytes` reads a token's spelling (one character is one byte in a
// byte-level vocabulary), because decoding a token that is a part of a character loses its length.
// The result keeps a copy of the tokenizer.
TextEncoder MakeTextEncoder(const Tokenizer& tokenizer, size_t max_positions);

}  // namespace bitloss

#endif  // BITLOSS_DATA_TEXT_ENCODER_H_

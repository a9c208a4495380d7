// A stream of text as tokens that know their cluster.
#ifndef BITLOSS_DATA_PROTOCOLS_TOKEN_STREAM_H_
#define BITLOSS_DATA_PROTOCOLS_TOKEN_STREAM_H_

#include <cstdint>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/data/protocol.h"
#include "bitloss/data/text.h"

namespace bitloss {

struct TokenStream {
  std::vector<TokenId> tokens;
  std::vector<uint32_t> clusters;  // [tokens]

  // Tokens [begin, end), scored from `first_scored` (counted from begin), each scored token with
  // the same weight in the protocol's mean.
  Sequence Cut(size_t begin, size_t end, size_t first_scored) const;
};

enum class SpecialTokens { kAsTokenizerAdds, kNone };

// A token belongs to the cluster of its first byte; where that lies is the sum of the bytes of the
// tokens before it. Should these sums run past the text (a normalizing tokenizer made it longer),
// the rest belongs to the last cluster.
Result<TokenStream> EncodeStream(const Stream& stream, const TextEncoder& encoder,
                                 SpecialTokens special_tokens);

// Whether the tokenizer puts a BOS before the text by itself.
inline bool AddsBos(const TextEncoder& encoder) { return encoder.adds_bos && encoder.bos; }

}  // namespace bitloss

#endif  // BITLOSS_DATA_PROTOCOLS_TOKEN_STREAM_H_

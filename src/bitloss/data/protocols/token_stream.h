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

  // What the tokens spell and what they were made of. They differ if the tokenizer rewrites the
  // text, and are 0 where nothing hangs on it, because all of the text is of one cluster.
  size_t spelled_bytes = 0;
  size_t text_bytes = 0;

  // Tokens [begin, end), scored from `first_scored` (counted from begin), each scored token with
  // the same weight in the protocol's mean.
  Sequence Cut(size_t begin, size_t end, size_t first_scored) const;
};

enum class SpecialTokens { kAsTokenizerAdds, kNone };

// A token belongs to the cluster of its first byte; where that lies is the sum of the bytes of the
// tokens before it. If all of them do not add up to the text's, places are stretched to its length.
Result<TokenStream> EncodeStream(const Stream& stream, const TextEncoder& encoder,
                                 SpecialTokens special_tokens);

// Says that tokens may count to a neighbouring cluster, if their bytes do not add up to the text's.
void WarnOfRewriting(size_t spelled_bytes, size_t text_bytes, Windows& windows);

// Says how many of `num_tokens` are left over by whole chunks of `chunk`, if that is more than a
// twentieth of them: a tail of WikiText-2 is known to be dropped, most of a short text is not.
void WarnOfTail(size_t num_tokens, size_t chunk, Windows& windows);

// Whether the tokenizer puts a BOS before the text by itself.
inline bool AddsBos(const TextEncoder& encoder) { return encoder.adds_bos && encoder.bos; }

}  // namespace bitloss

#endif  // BITLOSS_DATA_PROTOCOLS_TOKEN_STREAM_H_

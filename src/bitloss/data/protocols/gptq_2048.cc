// gptq-2048 (GPTQ's datautils.py and llama.py; AWQ's entry.py): the joined text is tokenised once,
// with the BOS that the tokenizer adds, and cut into n = N div 2048 chunks; the tail is dropped.
// Each chunk is read alone from position 0 and all but its first token are scored. All chunks are
// equally long, so the mean of chunk means is the mean over n * 2047 tokens.
#include <algorithm>

#include "bitloss/data/protocols/list.h"
#include "bitloss/data/protocols/token_stream.h"

namespace bitloss {

Result<Windows> CutGptq2048(const Text& text, const TextEncoder& encoder, size_t max_samples) {
  constexpr size_t kChunk = kGptq2048.window;
  BITLOSS_TRY(const TokenStream stream,
              EncodeStream(JoinedStream(text), encoder, SpecialTokens::kAsTokenizerAdds));
  const size_t num_chunks = std::min(stream.tokens.size() / kChunk, max_samples);
  if (num_chunks == 0) {
    return BadInput("protocol '{}': text '{}' has {} tokens, but one chunk takes {}", kGptq2048.id,
                    text.name, stream.tokens.size(), kChunk);
  }
  Windows windows;
  windows.cluster_kind = text.cluster_kind;
  windows.num_clusters = text.num_clusters;
  WarnOfRewriting(stream.spelled_bytes, stream.text_bytes, windows);
  WarnOfTail(stream.tokens.size(), kChunk, windows);
  windows.num_tokens = num_chunks * kChunk;
  for (size_t i = 0; i < num_chunks; ++i) {
    windows.sequences.push_back(stream.Cut(i * kChunk, (i + 1) * kChunk, 1));
  }
  return windows;
}

}  // namespace bitloss

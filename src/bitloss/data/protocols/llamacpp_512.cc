// llamacpp-512 (llama-perplexity with its default context): the raw file, less one final newline,
// is tokenised once, with the BOS that the vocabulary asks for, and cut into N div 512 chunks; at
// least two are needed, the tail is dropped. A vocabulary that adds a BOS has each chunk's first
// token replaced by it. Positions 256..510 predict tokens 257..511: 255 scored tokens a chunk.
#include <algorithm>

#include "bitloss/data/protocols/list.h"
#include "bitloss/data/protocols/token_stream.h"

namespace bitloss {
namespace {

Stream WithoutFinalNewline(const Text& text) {
  const bool trim = text.raw.size() > 1 && text.raw.back() == '\n';
  return RawPart(text, 0, text.raw.size() - (trim ? 1 : 0));
}

}  // namespace

Result<Windows> CutLlamaCpp512(const Text& text, const TextEncoder& encoder, size_t max_samples) {
  constexpr size_t kChunk = kLlamaCpp512.window;
  BITLOSS_TRY(const TokenStream stream,
              EncodeStream(WithoutFinalNewline(text), encoder, SpecialTokens::kAsTokenizerAdds));
  if (stream.tokens.size() < 2 * kChunk) {
    return BadInput("protocol '{}': text '{}' has {} tokens, but at least {} are needed",
                    kLlamaCpp512.id, text.name, stream.tokens.size(), 2 * kChunk);
  }
  const size_t num_chunks = std::min(stream.tokens.size() / kChunk, max_samples);
  Windows windows;
  windows.cluster_kind = text.cluster_kind;
  windows.num_clusters = text.num_clusters;
  WarnOfRewriting(stream.spelled_bytes, stream.text_bytes, windows);
  WarnOfTail(stream.tokens.size(), kChunk, windows);
  windows.num_tokens = num_chunks * kChunk;
  for (size_t i = 0; i < num_chunks; ++i) {
    Sequence chunk = stream.Cut(i * kChunk, (i + 1) * kChunk, kChunk / 2 + 1);
    if (AddsBos(encoder)) chunk.tokens[0] = *encoder.bos;
    windows.sequences.push_back(std::move(chunk));
  }
  return windows;
}

}  // namespace bitloss

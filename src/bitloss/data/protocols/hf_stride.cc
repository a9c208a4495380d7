// hf-stride (Hugging Face's guide to the perplexity of fixed-length models): the joined text is
// tokenised once; windows of L = 2048 tokens begin at b = 0, S, 2S, ... with S = 512 and end at
// e = min(b + L, N), the last one at N. A window scores its last t = e - e_previous tokens.
//
// Averaging as in the guide's third and current form: each window's mean loss counts t - 1 times.
// In the first window that is the number of its losses (its first token has no predictor); in the
// others t losses are averaged but counted t - 1 times. Kept as it is, so that figures compare.
#include <algorithm>

#include "bitloss/data/protocols/list.h"
#include "bitloss/data/protocols/token_stream.h"

namespace bitloss {

Result<Windows> CutHfStride(const Text& text, const TextEncoder& encoder, size_t max_samples) {
  constexpr size_t kStride = 512;
  BITLOSS_TRY(const TokenStream stream,
              EncodeStream(JoinedStream(text), encoder, SpecialTokens::kAsTokenizerAdds));
  const size_t num_tokens = stream.tokens.size();
  if (num_tokens < 2) {
    return BadInput("protocol '{}': text '{}' has {} token(s), nothing follows the first",
                    kHfStride.id, text.name, num_tokens);
  }
  Windows windows;
  windows.cluster_kind = text.cluster_kind;
  windows.num_clusters = text.num_clusters;
  WarnOfRewriting(stream.spelled_bytes, stream.text_bytes, windows);
  for (size_t begin = 0, previous_end = 0; previous_end < num_tokens; begin += kStride) {
    if (windows.sequences.size() == max_samples) break;
    const size_t end = std::min(begin + kHfStride.window, num_tokens);
    const size_t num_new = end - previous_end;
    const size_t first_scored = std::max<size_t>(end - begin - num_new, 1);
    windows.sequences.push_back(stream.Cut(begin, end, first_scored));
    windows.sequences.back().weight = static_cast<double>(num_new - 1);
    windows.num_tokens += num_new;
    previous_end = end;
  }
  return windows;
}

}  // namespace bitloss

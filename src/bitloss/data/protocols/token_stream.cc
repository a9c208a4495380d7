#include "bitloss/data/protocols/token_stream.h"

#include <algorithm>

namespace bitloss {

Sequence TokenStream::Cut(size_t begin, size_t end, size_t first_scored) const {
  const auto at = [](const auto& values, size_t i) {
    return values.begin() + static_cast<ptrdiff_t>(i);
  };
  Sequence sequence;
  sequence.tokens.assign(at(tokens, begin), at(tokens, end));
  sequence.first_scored = first_scored;
  sequence.weight = static_cast<double>(sequence.num_scored());
  sequence.clusters.assign(at(clusters, begin + first_scored), at(clusters, end));
  return sequence;
}

Result<TokenStream> EncodeStream(const Stream& stream, const TextEncoder& encoder,
                                 SpecialTokens special_tokens) {
  BITLOSS_TRY(const std::vector<TokenId> ids, encoder.encode(stream.text));
  TokenStream out;
  out.tokens.reserve(ids.size() + 1);
  out.clusters.reserve(ids.size() + 1);
  if (special_tokens == SpecialTokens::kAsTokenizerAdds && AddsBos(encoder)) {
    out.tokens.push_back(*encoder.bos);
    out.clusters.push_back(stream.ClusterAt(0));
  }
  size_t byte = 0;
  for (const TokenId id : ids) {
    out.tokens.push_back(id);
    out.clusters.push_back(stream.ClusterAt(std::min(byte, stream.text.size() - 1)));
    byte += encoder.num_bytes(id);
  }
  return out;
}

}  // namespace bitloss

#include "bitloss/data/protocols/token_stream.h"

#include <fmt/format.h>

#include <algorithm>

namespace bitloss {
namespace {

bool HasOneCluster(const Stream& stream) {
  return std::ranges::all_of(stream.pieces, [&](const Stream::Piece& piece) {
    return piece.cluster == stream.pieces[0].cluster;
  });
}

// Bytes that the tokens spell, less what the tokenizer puts before any text.
size_t SpelledBytes(std::span<const TokenId> ids, const TextEncoder& encoder) {
  size_t bytes = 0;
  for (const TokenId id : ids) bytes += encoder.num_bytes(id);
  return bytes - std::min(bytes, encoder.prefix_bytes);
}

}  // namespace

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
  const uint64_t size = stream.text.size();
  const uint64_t spelled = SpelledBytes(ids, encoder);
  for (uint64_t byte = 0; const TokenId id : ids) {
    // Texts are at most 1 GiB, so that the product fits.
    const uint64_t place = (byte - std::min<uint64_t>(byte, encoder.prefix_bytes)) * size /
                           std::max<uint64_t>(spelled, 1);
    out.tokens.push_back(id);
    out.clusters.push_back(stream.ClusterAt(std::min(place, size - 1)));
    byte += encoder.num_bytes(id);
  }
  if (!HasOneCluster(stream)) {
    out.spelled_bytes = spelled;
    out.text_bytes = size;
  }
  return out;
}

void WarnOfRewriting(size_t spelled_bytes, size_t text_bytes, Windows& windows) {
  if (spelled_bytes == text_bytes) return;
  windows.warnings.push_back(fmt::format(
      "its tokens spell {} bytes where the text has {}, because the tokenizer rewrites it (to NFC, "
      "say): tokens near the border of two {} may count to the wrong one",
      spelled_bytes, text_bytes, ClusterKindName(windows.cluster_kind)));
}

void WarnOfTail(size_t num_tokens, size_t chunk, Windows& windows) {
  const size_t tail = num_tokens % chunk;
  if (tail * 20 <= num_tokens) return;
  windows.warnings.push_back(
      fmt::format("the last {} of {} tokens make no whole chunk of {} and are not scored", tail,
                  num_tokens, chunk));
}

}  // namespace bitloss

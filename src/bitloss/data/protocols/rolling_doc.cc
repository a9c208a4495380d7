// rolling-doc (lm-evaluation-harness, task `wikitext`): every token of a document is predicted, the
// first from a prefix token (BOS if the tokenizer has one, else EOS). A window is as long as the
// model allows; a document that needs several has its later windows predict new tokens only, a full
// one from one token of shared context, the last one from as much as fits.
//
// WikiText's documents are its pages, scored detokenized; words and bytes, by which the loss is
// divided, are counted before that. Each page is a cluster. Any other text is scored as it is, one
// document an article, or one for all if it has no headings.
#include <algorithm>

#include "bitloss/data/protocols/list.h"
#include "bitloss/data/protocols/token_stream.h"
#include "bitloss/data/protocols/wikitext_pages.h"

namespace bitloss {
namespace {

struct Document {
  Stream scored;
  uint64_t num_words = 0;
  uint64_t num_bytes = 0;
};

std::vector<Document> WikiTextPages(std::string_view raw) {
  std::vector<Document> documents;
  for (const PageRange& range : SplitIntoPages(raw)) {
    const std::string_view page = raw.substr(range.begin, range.end - range.begin);
    const auto cluster = static_cast<uint32_t>(documents.size());
    documents.push_back(
        {.scored = {.text = Detokenize(page), .pieces = {{.begin = 0, .cluster = cluster}}},
         .num_words = CountPieces(page),
         .num_bytes = page.size()});
  }
  return documents;
}

std::vector<Document> Articles(const Text& text) {
  std::vector<Document> documents;
  for (size_t i = 0; i < text.rows.size();) {
    size_t j = i;
    while (j < text.rows.size() && (text.cluster_kind == ClusterKind::kBlocks ||
                                    text.rows[j].cluster == text.rows[i].cluster)) {
      ++j;
    }
    Stream stream = RawPart(text, text.rows[i].begin, text.rows[j - 1].end);
    const uint64_t num_words = CountPieces(stream.text);
    const uint64_t num_bytes = stream.text.size();
    documents.push_back(
        {.scored = std::move(stream), .num_words = num_words, .num_bytes = num_bytes});
    i = j;
  }
  return documents;
}

// `stream` begins with the prefix token, so that predicting its tokens 1.. scores the whole
// document.
void CutDocument(const TokenStream& stream, size_t window, std::vector<Sequence>& out) {
  const size_t end = stream.tokens.size();
  for (size_t predicted = 1; predicted < end;) {
    const size_t window_end = std::min(predicted + window, end);
    // The model reads `window` tokens: all before the last target, as far back as they reach.
    const size_t begin = window_end > window + 1 ? window_end - window - 1 : 0;
    out.push_back(stream.Cut(begin, window_end, predicted - begin));
    predicted = window_end;
  }
}

}  // namespace

Result<Windows> CutRollingDoc(const Text& text, const TextEncoder& encoder, size_t max_samples) {
  const std::optional<TokenId> prefix = encoder.bos ? encoder.bos : encoder.eos;
  if (!prefix) {
    return Unsupported("protocol '{}' begins a document with BOS or EOS, the tokenizer has neither",
                       kRollingDoc.id);
  }
  const bool wikitext = text.corpus != Corpus::kOther;
  std::vector<Document> documents = wikitext ? WikiTextPages(text.raw) : Articles(text);

  Windows windows;
  windows.aggregation = Aggregation::kPerWord;
  windows.cluster_kind = wikitext ? ClusterKind::kPages : text.cluster_kind;
  windows.num_clusters = wikitext ? static_cast<uint32_t>(documents.size()) : text.num_clusters;
  if (!wikitext) windows.note = "scored as it is; only WikiText is detokenized";
  documents.resize(std::min(documents.size(), max_samples));
  size_t spelled_bytes = 0;
  size_t text_bytes = 0;
  for (const Document& document : documents) {
    BITLOSS_TRY(TokenStream stream, EncodeStream(document.scored, encoder, SpecialTokens::kNone));
    if (stream.tokens.empty()) continue;
    spelled_bytes += stream.spelled_bytes;
    text_bytes += stream.text_bytes;
    windows.num_tokens += stream.tokens.size();
    stream.tokens.insert(stream.tokens.begin(), *prefix);
    stream.clusters.insert(stream.clusters.begin(), stream.clusters.front());
    const size_t first = windows.sequences.size();
    CutDocument(stream, encoder.max_positions, windows.sequences);
    windows.sequences[first].num_words = document.num_words;
    windows.sequences[first].num_bytes = document.num_bytes;
  }
  WarnOfRewriting(spelled_bytes, text_bytes, windows);
  return windows;
}

}  // namespace bitloss

// Protocols: how a text becomes scored tokens, and scored tokens become one perplexity.
//
// The same model has a perplexity of 14, 15 or 25 on the same file under three of them, so none is
// ever printed without its protocol's id. A protocol is a value in a closed list:
//
//   lines-512-seed  each line alone, cut to 512 tokens; a fixed list of lines of WikiText-2's test
//                   split (published with the first 500 of 2,475), all non-blank lines elsewhere
//   gptq-2048       chunks of 2,048 tokens, the tail dropped; all but a chunk's first token scored
//                   (GPTQ, AWQ and most papers)
//   llamacpp-512    chunks of 512 tokens of the raw file; the second half scored (llama-perplexity)
//   hf-stride       windows of 2,048 tokens every 512; each token scored once, with the most
//   context
//                   (Hugging Face's guide, its third and current form of averaging)
//   rolling-doc     whole documents; loss per word and per byte (lm-evaluation-harness `wikitext`)
//
// What of a text a protocol leaves out is said with counts (Windows::warnings): tokens of a line
// beyond 512, lines of one token, a tail of more than a twentieth of the text.
//
// Cutting knows no model: only what its tokenizer does and how many positions it has. A window that
// does not fit the model is refused, never shortened, because a shorter one is another protocol.
#ifndef BITLOSS_DATA_PROTOCOL_H_
#define BITLOSS_DATA_PROTOCOL_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/data/text.h"
#include "bitloss/tokenizer/token_id.h"

namespace bitloss {

// What a protocol needs to know of a model and its tokenizer.
struct TextEncoder {
  // Ids of a text; no special token is added.
  std::function<Result<std::vector<TokenId>>(std::string_view)> encode;

  // Bytes of text that a token stands for, where tokens are pieces of the text itself; what maps
  // them to articles. Where the tokenizer rewrites the text first (NFC), they are of what it made.
  std::function<size_t(TokenId)> num_bytes;

  // Of these, what the tokenizer puts before any text (SentencePiece's dummy space).
  size_t prefix_bytes = 0;

  std::optional<TokenId> bos;
  std::optional<TokenId> eos;

  // Whether the tokenizer puts `bos` before a text by itself (Llama: yes; Qwen: it has none).
  bool adds_bos = false;

  // Tokens that the model can read at once.
  size_t max_positions = 0;
};

// What a model reads in one go, and which of its tokens are predicted and scored.
struct Sequence {
  // tokens[i] is predicted from tokens[0..i). The model reads the last one too, as transformers
  // does: LLM.int8 looks at every row of a call.
  std::vector<TokenId> tokens;

  // Targets are tokens[first_scored..end). 1 <= first_scored < tokens.size().
  size_t first_scored = 1;

  // Of this sequence's mean loss in the protocol's mean; a scored token weighs weight /
  // num_scored().
  double weight = 0.0;

  // For each scored token, whose article, block or page it is.
  std::vector<uint32_t> clusters;

  // rolling-doc: of the document that begins with this sequence, else 0.
  uint64_t num_words = 0;
  uint64_t num_bytes = 0;

  size_t num_scored() const { return tokens.size() - first_scored; }
};

// How losses become one number.
enum class Aggregation {
  kWeightedMean,  // exp(sum_i weight_i * mean_i / sum_i weight_i)
  kPerWord,       // exp(sum of losses / words), and the same per byte
};

// A text, cut.
struct Windows {
  std::string protocol;  // its id
  std::string text;      // its name
  std::string note;      // where this text is treated otherwise than WikiText-2; else empty
  // What of the text is not scored, or not as it stands in the file, with counts; a line each.
  std::vector<std::string> warnings;
  Aggregation aggregation = Aggregation::kWeightedMean;
  ClusterKind cluster_kind = ClusterKind::kArticles;
  uint32_t num_clusters = 0;     // in the whole text; the kept sequences may touch fewer
  uint64_t num_tokens = 0;       // of the kept text, each counted once; prefixes are not counted
  uint64_t num_predictions = 0;  // scored tokens
  std::vector<Sequence> sequences;
};

struct Protocol {
  std::string_view id;
  std::string_view summary;

  // Tokens of one window; 0 if the protocol takes what the model has.
  size_t window = 0;

  // Sequences kept when the caller names no number; none: all.
  std::optional<size_t> default_samples;

  // Cuts and keeps the first `max_samples` sequences (documents, for rolling-doc). Called through
  // CutIntoWindows, which has checked that `window` fits.
  Result<Windows> (*cut)(const Text& text, const TextEncoder& encoder, size_t max_samples);
};

// All of them, in the order of the list above.
std::span<const Protocol> Protocols();

// kNotFound with the list of ids.
Result<const Protocol*> FindProtocol(std::string_view id);

// `max_samples` none: the protocol's default.
// kUnsupported if a window is longer than the model; kBadInput if nothing could be scored.
Result<Windows> CutIntoWindows(const Protocol& protocol, const Text& text,
                               const TextEncoder& encoder,
                               std::optional<size_t> max_samples = std::nullopt);

}  // namespace bitloss

#endif  // BITLOSS_DATA_PROTOCOL_H_

// lines-512-seed: each line alone, with its leading space and newline, cut to 512 tokens and read
// from position 0; all but its first token are scored. A line of n tokens counts its mean loss n
// times although that is the mean of n - 1 losses: perplexity = exp(sum n_i mean_i / sum n_i), as
// the published figure (25.1283 for Qwen2.5-0.5B-Instruct in FP16) was made.
//
// Which lines: of WikiText-2's test split the 2,475 rows that *Phi-3's* tokenizer gave more than 10
// tokens, in order, of which 500 were published. The list is fixed (seed_lines_table.h); asking the
// evaluated model's own tokenizer would choose others. Of any other text, the non-blank lines in
// order, without those of a single token, which have nothing to predict.
//
// The tokens of a line beyond 512 are not scored, as the published figure left them out (one line
// of its 500), and Windows::warnings counts them: a text whose paragraphs are longer than that is
// better read in windows.
#include <fmt/format.h>

#include <algorithm>

#include "bitloss/data/protocols/list.h"
#include "bitloss/data/protocols/seed_lines_table.h"
#include "bitloss/data/protocols/token_stream.h"

namespace bitloss {
namespace {

// The rows to take, in order.
std::vector<const Row*> ChooseRows(const Text& text) {
  std::vector<const Row*> rows;
  size_t non_blank = 0;
  for (const Row& row : text.rows) {
    if (row.blank) continue;
    const bool excluded =
        text.corpus == Corpus::kWikiText2Test &&
        std::binary_search(kSeedExcludedRows.begin(), kSeedExcludedRows.end(), non_blank);
    if (!excluded) rows.push_back(&row);
    ++non_blank;
  }
  return rows;
}

// Tokens and lines that are left out.
struct LeftOut {
  size_t num_cut_lines = 0;
  size_t num_cut_tokens = 0;
  size_t num_single_tokens = 0;
};

Result<Sequence> CutLine(std::string_view line, uint32_t cluster, const TextEncoder& encoder,
                         LeftOut& left_out) {
  BITLOSS_TRY(std::vector<TokenId> tokens, encoder.encode(line));
  if (AddsBos(encoder)) tokens.insert(tokens.begin(), *encoder.bos);
  if (tokens.size() > kLines512Seed.window) {
    left_out.num_cut_lines += 1;
    left_out.num_cut_tokens += tokens.size() - kLines512Seed.window;
    tokens.resize(kLines512Seed.window);
  }
  if (tokens.size() == 1) left_out.num_single_tokens += 1;
  Sequence sequence;
  sequence.weight = static_cast<double>(tokens.size());
  sequence.clusters.assign(tokens.empty() ? 0 : tokens.size() - 1, cluster);
  sequence.tokens = std::move(tokens);
  return sequence;
}

void Warn(const LeftOut& left_out, Windows& windows) {
  if (left_out.num_cut_lines > 0) {
    windows.warnings.push_back(
        fmt::format("lines cut to {} tokens: {} of {}; their other {} tokens are not scored",
                    kLines512Seed.window, left_out.num_cut_lines, windows.sequences.size(),
                    left_out.num_cut_tokens));
  }
  if (left_out.num_single_tokens > 0) {
    windows.warnings.push_back(
        fmt::format("lines of one token, which have nothing to predict, left out: {}",
                    left_out.num_single_tokens));
  }
}

}  // namespace

Result<Windows> CutLines512Seed(const Text& text, const TextEncoder& encoder, size_t max_samples) {
  Windows windows;
  windows.cluster_kind = text.cluster_kind;
  windows.num_clusters = text.num_clusters;
  if (text.corpus != Corpus::kWikiText2Test) {
    windows.note =
        "all non-blank lines in order; the fixed list of lines is of WikiText-2's test split";
  }
  LeftOut left_out;
  for (const Row* row : ChooseRows(text)) {
    if (windows.sequences.size() == max_samples) break;
    BITLOSS_TRY(Sequence line, CutLine(text.RowText(*row), row->cluster, encoder, left_out));
    if (line.tokens.size() < 2) continue;
    windows.num_tokens += line.tokens.size();
    windows.sequences.push_back(std::move(line));
  }
  Warn(left_out, windows);
  return windows;
}

}  // namespace bitloss

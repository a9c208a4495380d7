#include "bitloss/eval/sequence_losses.h"

#include <algorithm>

#include "bitloss/metrics/divergence.h"

namespace bitloss {
namespace {

// Logits that exist at once.
constexpr size_t kTileFloats = size_t{1} << 24;

// Adds the losses of the tokens after those whose hidden rows these are.
Status AddLosses(const Transformer& transformer, const LaneWeights& lane,
                 std::span<const int32_t> tokens, size_t num_logits, ConstDeviceView hidden,
                 SequenceLosses& losses) {
  const Backend& backend = transformer.backend();
  const size_t vocabulary = transformer.config().vocab_size;
  const size_t rows_of_tile = std::max<size_t>(1, kTileFloats / vocabulary);
  Tensor logits(backend.memory());
  Matrix staging;
  for (size_t begin = 0; begin < hidden.rows; begin += rows_of_tile) {
    const size_t end = std::min(hidden.rows, begin + rows_of_tile);
    logits.Resize(end - begin, vocabulary);
    transformer.LmHead(lane, hidden.Rows(begin, end), logits);
    BITLOSS_TRY(const std::vector<RowSummary> summaries, backend.Summarize(logits));
    const ConstMatrixView rows = backend.OnHost(logits, staging);
    for (size_t row = 0; row < summaries.size(); ++row) {
      const size_t position = losses.top1.size();
      losses.top1.push_back(summaries[row].top1);
      if (position + 1 < tokens.size()) {
        const auto next = static_cast<size_t>(tokens[position + 1]);
        losses.nll.push_back(-LogProb(rows.Row(row)[next], summaries[row]));
      } else {
        losses.last_logits = TopK(rows.Row(row), num_logits);
      }
    }
  }
  return Ok();
}

}  // namespace

Result<SequenceLosses> LossesOf(Transformer& transformer, const LaneWeights& lane,
                                std::span<const int32_t> tokens, Feeding feeding,
                                size_t num_logits) {
  SequenceLosses losses;
  Tensor hidden(transformer.backend().memory());
  if (feeding == Feeding::kWhole) {
    Batch batch;
    batch.Add(tokens);
    transformer.Hidden(lane, batch, nullptr, hidden);
    BITLOSS_DO(AddLosses(transformer, lane, tokens, num_logits, hidden, losses));
    return losses;
  }
  const size_t capacity = tokens.size();
  KvCache cache(transformer.config(), {&capacity, 1}, transformer.backend().memory());
  for (const int32_t& token : tokens) {
    Batch step;
    step.Continue({&token, 1}, cache, 0);
    transformer.Hidden(lane, step, &cache, hidden);
    BITLOSS_DO(AddLosses(transformer, lane, tokens, num_logits, hidden, losses));
  }
  return losses;
}

}  // namespace bitloss

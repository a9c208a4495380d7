#include "bitloss/study/swap_runner.h"

#include <algorithm>

#include "bitloss/base/sum.h"

namespace bitloss {
namespace {

// Rows whose logits exist at once beside the baseline's.
constexpr size_t kTileRows = 64;

void CopyRows(ConstMatrixView from, MatrixView to) {
  for (size_t row = 0; row < from.rows; ++row) {
    std::ranges::copy(from.Row(row), to.Row(row).begin());
  }
}

// Exchanges what a swap names between two blocks; twice is nothing.
void Exchange(const LayerSwap& swap, LayerWeights& a, LayerWeights& b) {
  if (swap.whole) {
    std::swap(a, b);
    return;
  }
  for (const Linear linear : swap.linears) {
    std::swap(a.linears[static_cast<size_t>(linear)], b.linears[static_cast<size_t>(linear)]);
  }
}

}  // namespace

Result<SwapRunner> SwapRunner::Create(Transformer& transformer, LaneWeights& baseline,
                                      std::span<const std::vector<int32_t>> sequences,
                                      size_t stride) {
  BITLOSS_CHECK(!sequences.empty() && stride > 0);
  SwapRunner runner(transformer, baseline);
  BITLOSS_DO(runner.RunBaseline(sequences, stride));
  return runner;
}

Status SwapRunner::RunBaseline(std::span<const std::vector<int32_t>> sequences, size_t stride) {
  sequences_.assign(sequences.begin(), sequences.end());
  for (const std::vector<int32_t>& tokens : sequences_) batch_.Add(tokens);
  Matrix x;
  transformer_.Embed(baseline_, batch_, x);
  for (size_t layer = 0; layer < baseline_.layers.size(); ++layer) {
    CopyRows(x, inputs_.emplace_back(x.rows(), x.cols()));
    transformer_.Layer(baseline_.layers[layer], layer, batch_, nullptr, x);
  }
  // The last of every `stride` positions, which have seen most.
  for (size_t row = stride - 1; row < x.rows(); row += stride) scored_rows_.push_back(row);
  if (scored_rows_.empty()) scored_rows_.push_back(x.rows() - 1);

  transformer_.backend().RmsNorm(x, baseline_.final_norm,
                                 static_cast<float>(transformer_.config().rms_norm_eps), x);
  Matrix hidden(scored_rows_.size(), x.cols());
  for (size_t i = 0; i < scored_rows_.size(); ++i) {
    std::ranges::copy(x.Row(scored_rows_[i]), hidden.Row(i).begin());
  }
  logits_.Resize(hidden.rows(), transformer_.config().vocab_size);
  transformer_.LmHead(baseline_, hidden, logits_);
  for (size_t i = 0; i < logits_.rows(); ++i) {
    BITLOSS_TRY(summaries_.emplace_back(), Summarize(logits_.Row(i)));
  }
  return Ok();
}

void SwapRunner::RunLayer(const LayerWeights& weights, size_t layer, const Batch& batch,
                          MatrixView x) {
  transformer_.Layer(weights, layer, batch, nullptr, x);
  num_block_tokens_ += x.rows;
}

Result<double> SwapRunner::MeanKl(const LaneWeights& head_of, MatrixView x) {
  transformer_.backend().RmsNorm(x, head_of.final_norm,
                                 static_cast<float>(transformer_.config().rms_norm_eps), x);
  std::vector<double> kl(scored_rows_.size());
  std::vector<Status> statuses(kl.size());
  Matrix hidden;
  Matrix logits;
  for (size_t begin = 0; begin < kl.size(); begin += kTileRows) {
    const size_t count = std::min(kTileRows, kl.size() - begin);
    hidden.Resize(count, x.cols);
    for (size_t i = 0; i < count; ++i) {
      std::ranges::copy(x.Row(scored_rows_[begin + i]), hidden.Row(i).begin());
    }
    logits.Resize(count, transformer_.config().vocab_size);
    transformer_.LmHead(head_of, hidden, logits);
    transformer_.backend().threads().ForEachPart(count, [&](size_t i, size_t) {
      const std::span<const float> row = logits.view().Row(i);
      const Result<RowSummary> summary = Summarize(row);
      if (!summary.ok()) {
        statuses[begin + i] = summary.error();
        return;
      }
      const std::span<const float> base = std::as_const(logits_).Row(begin + i);
      kl[begin + i] = Compare(base, summaries_[begin + i], row, summary.value()).kl;
    });
  }
  for (const Status& status : statuses) BITLOSS_DO(status);
  Sum sum;
  for (const double value : kl) sum.Add(value);
  return sum.Total() / static_cast<double>(kl.size());
}

Result<std::vector<double>> SwapRunner::SwapInLayer(size_t layer, std::span<const LayerSwap> swaps,
                                                    LaneWeights& lane) {
  BITLOSS_CHECK(layer < baseline_.layers.size() && lane.layers.size() == baseline_.layers.size());
  const size_t rows = inputs_[layer].rows();
  Matrix wide(rows * swaps.size(), inputs_[layer].cols());
  Batch wide_batch;
  for (size_t s = 0; s < swaps.size(); ++s) {
    for (const std::vector<int32_t>& tokens : sequences_) wide_batch.Add(tokens);
    const MatrixView x = wide.view().Rows(s * rows, (s + 1) * rows);
    CopyRows(inputs_[layer], x);
    Exchange(swaps[s], baseline_.layers[layer], lane.layers[layer]);
    RunLayer(baseline_.layers[layer], layer, batch_, x);
    Exchange(swaps[s], baseline_.layers[layer], lane.layers[layer]);
  }
  for (size_t next = layer + 1; next < baseline_.layers.size(); ++next) {
    RunLayer(baseline_.layers[next], next, wide_batch, wide);
  }
  std::vector<double> kl;
  for (size_t s = 0; s < swaps.size(); ++s) {
    BITLOSS_TRY(kl.emplace_back(), MeanKl(baseline_, wide.view().Rows(s * rows, (s + 1) * rows)));
  }
  return kl;
}

Result<double> SwapRunner::SwapKind(Linear linear, LaneWeights& lane) {
  const LayerSwap swap{{linear}};
  Matrix x(inputs_[0].rows(), inputs_[0].cols());
  CopyRows(inputs_[0], x);
  for (size_t layer = 0; layer < baseline_.layers.size(); ++layer) {
    Exchange(swap, baseline_.layers[layer], lane.layers[layer]);
    RunLayer(baseline_.layers[layer], layer, batch_, x);
    Exchange(swap, baseline_.layers[layer], lane.layers[layer]);
  }
  return MeanKl(baseline_, x);
}

Result<double> SwapRunner::SwapAll(LaneWeights& lane) {
  Matrix x;
  transformer_.Embed(lane, batch_, x);
  for (size_t layer = 0; layer < lane.layers.size(); ++layer) {
    RunLayer(lane.layers[layer], layer, batch_, x);
  }
  return MeanKl(lane, x);
}

}  // namespace bitloss

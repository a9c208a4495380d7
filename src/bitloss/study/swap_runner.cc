#include "bitloss/study/swap_runner.h"

#include <algorithm>

#include "bitloss/base/sum.h"

namespace bitloss {
namespace {

// Rows whose logits exist at once beside the baseline's.
constexpr size_t kTileRows = 64;

// Exchanges what a swap names between two blocks; twice is nothing.
void ExchangeLinears(const LayerSwap& swap, LayerWeights& a, LayerWeights& b) {
  if (swap.whole) {
    std::swap(a, b);
    return;
  }
  for (size_t i = 0; i < a.linears.size(); ++i) {
    const Linear kind = a.plan->linears[i].kind;
    if (std::ranges::find(swap.linears, kind) != swap.linears.end()) {
      std::swap(a.linears[i], b.linears[i]);
    }
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
  const Backend& backend = transformer_.backend();
  Tensor x(backend.memory());
  transformer_.Embed(baseline_, batch_, x);
  for (size_t layer = 0; layer < baseline_.layers.size(); ++layer) {
    backend.Copy(x, inputs_.emplace_back(backend.memory(), x.rows(), x.cols()));
    transformer_.Layer(baseline_.layers[layer], layer, batch_, nullptr, x);
  }
  // The last of every `stride` positions, which have seen most.
  for (size_t row = stride - 1; row < x.rows(); row += stride) scored_rows_.push_back(row);
  if (scored_rows_.empty()) scored_rows_.push_back(x.rows() - 1);

  const ConstDeviceView normed = transformer_.FinalNorm(baseline_, x);
  Tensor hidden(backend.memory(), scored_rows_.size(), normed.cols);
  backend.GatherRows(normed, scored_rows_, hidden);
  logits_.Resize(hidden.rows(), transformer_.config().vocab_size);
  transformer_.LmHead(baseline_, hidden, logits_);
  BITLOSS_TRY(summaries_, backend.Summarize(logits_));
  return Ok();
}

void SwapRunner::RunLayer(const LayerWeights& weights, size_t layer, const Batch& batch,
                          DeviceView x) {
  transformer_.Layer(weights, layer, batch, nullptr, x);
  num_block_tokens_ += x.rows;
}

Result<double> SwapRunner::MeanKl(const LaneWeights& head_of, DeviceView x) {
  const Backend& backend = transformer_.backend();
  const ConstDeviceView normed = transformer_.FinalNorm(head_of, x);
  Tensor hidden(backend.memory());
  Tensor logits(backend.memory());
  Sum sum;
  for (size_t begin = 0; begin < scored_rows_.size(); begin += kTileRows) {
    const size_t count = std::min(kTileRows, scored_rows_.size() - begin);
    hidden.Resize(count, normed.cols);
    backend.GatherRows(normed, std::span(scored_rows_).subspan(begin, count), hidden);
    logits.Resize(count, transformer_.config().vocab_size);
    transformer_.LmHead(head_of, hidden, logits);
    BITLOSS_TRY(const Backend::Comparison comparison,
                backend.Compare(std::as_const(logits_).view().Rows(begin, begin + count),
                                std::span(summaries_).subspan(begin, count), logits));
    for (const Divergence& divergence : comparison.divergences) sum.Add(divergence.kl);
  }
  return sum.Total() / static_cast<double>(scored_rows_.size());
}

Result<std::vector<double>> SwapRunner::SwapInLayer(size_t layer, std::span<const LayerSwap> swaps,
                                                    LaneWeights& lane) {
  BITLOSS_CHECK(layer < baseline_.layers.size() && lane.layers.size() == baseline_.layers.size());
  const Backend& backend = transformer_.backend();
  const size_t rows = inputs_[layer].rows();
  Tensor wide(backend.memory(), rows * swaps.size(), inputs_[layer].cols());
  Batch wide_batch;
  for (size_t s = 0; s < swaps.size(); ++s) {
    for (const std::vector<int32_t>& tokens : sequences_) wide_batch.Add(tokens);
    const DeviceView x = wide.view().Rows(s * rows, (s + 1) * rows);
    backend.Copy(inputs_[layer], x);
    ExchangeLinears(swaps[s], baseline_.layers[layer], lane.layers[layer]);
    RunLayer(baseline_.layers[layer], layer, batch_, x);
    ExchangeLinears(swaps[s], baseline_.layers[layer], lane.layers[layer]);
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
  const Backend& backend = transformer_.backend();
  Tensor x(backend.memory(), inputs_[0].rows(), inputs_[0].cols());
  backend.Copy(inputs_[0], x);
  for (size_t layer = 0; layer < baseline_.layers.size(); ++layer) {
    ExchangeLinears(swap, baseline_.layers[layer], lane.layers[layer]);
    RunLayer(baseline_.layers[layer], layer, batch_, x);
    ExchangeLinears(swap, baseline_.layers[layer], lane.layers[layer]);
  }
  return MeanKl(baseline_, x);
}

Result<double> SwapRunner::SwapAll(LaneWeights& lane) {
  Tensor x(transformer_.backend().memory());
  transformer_.Embed(lane, batch_, x);
  for (size_t layer = 0; layer < lane.layers.size(); ++layer) {
    RunLayer(lane.layers[layer], layer, batch_, x);
  }
  return MeanKl(lane, x);
}

}  // namespace bitloss

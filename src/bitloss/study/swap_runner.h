// Single parts of a quantized lane in the clean baseline: what each alone does to the output.
//
// The baseline's hidden rows before every block are kept. A swap in block l starts from those of
// block l and runs the blocks from l on: half of the model on average. Swaps of one block share the
// way from l + 1 on as one batch.
#ifndef BITLOSS_STUDY_SWAP_RUNNER_H_
#define BITLOSS_STUDY_SWAP_RUNNER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/metrics/divergence.h"
#include "bitloss/model/transformer.h"

namespace bitloss {

// The kinds of linears of a block that come from the other lane; whole: its norms and biases too.
struct LayerSwap {
  std::vector<Linear> linears;
  bool whole = false;
};

class SwapRunner {
 public:
  // Runs the baseline over `sequences` once. Of every `stride` neighbouring positions one is
  // scored: logits are what costs memory. Requires: transformer and baseline outlive the runner;
  // sequences not empty, none longer than the model's positions; stride > 0.
  static Result<SwapRunner> Create(Transformer& transformer, LaneWeights& baseline,
                                   std::span<const std::vector<int32_t>> sequences, size_t stride);

  size_t num_tokens() const { return batch_.tokens().size(); }
  size_t num_scored() const { return scored_rows_.size(); }

  // Mean KL from the baseline, in nats per scored token, of each swap in block `layer`. `lane` is
  // unchanged on return. kBadInput if logits are not finite.
  Result<std::vector<double>> SwapInLayer(size_t layer, std::span<const LayerSwap> swaps,
                                          LaneWeights& lane);
  // One kind of linear in every block.
  Result<double> SwapKind(Linear linear, LaneWeights& lane);
  // The whole lane.
  Result<double> SwapAll(LaneWeights& lane);

  // Blocks times tokens that have been run since the baseline's own pass.
  uint64_t num_block_tokens() const { return num_block_tokens_; }

 private:
  SwapRunner(Transformer& transformer, LaneWeights& baseline)
      : transformer_(transformer), baseline_(baseline), logits_(transformer.backend().memory()) {}

  Status RunBaseline(std::span<const std::vector<int32_t>> sequences, size_t stride);
  // Runs one block of `weights` on x, [rows of batch][hidden].
  void RunLayer(const LayerWeights& weights, size_t layer, const Batch& batch, DeviceView x);
  // Mean KL of hidden rows after the last block; x is spent.
  Result<double> MeanKl(const LaneWeights& head_of, DeviceView x);

  Transformer& transformer_;
  LaneWeights& baseline_;
  std::vector<std::vector<int32_t>> sequences_;
  Batch batch_;
  std::vector<Tensor> inputs_;  // of each block
  std::vector<size_t> scored_rows_;
  Tensor logits_;  // the baseline's, of the scored rows
  std::vector<RowSummary> summaries_;
  uint64_t num_block_tokens_ = 0;
};

}  // namespace bitloss

#endif  // BITLOSS_STUDY_SWAP_RUNNER_H_

// The forward pass of decoder-only transformers, driven by ModelConfig, in FP32 on a Backend
// (reference: Hugging Face modeling_*.py, one for each file of architectures/).
#ifndef BITLOSS_MODEL_TRANSFORMER_H_
#define BITLOSS_MODEL_TRANSFORMER_H_

#include <span>
#include <vector>

#include "bitloss/compute/backend.h"
#include "bitloss/model/batch.h"
#include "bitloss/model/config.h"
#include "bitloss/model/router.h"
#include "bitloss/model/stream.h"
#include "bitloss/model/weights.h"

namespace bitloss {

// What a block is made of: each reads one input and gives what is added to the residual stream.
// kExperts: only where they stand beside a dense MLP.
enum class BlockPart { kAttention, kMlp, kExperts };
inline constexpr size_t kNumBlockParts = 3;

// What a part reads: its input, normed, and where that is not all, rows of the stream as they are
// when it begins (of earlier layers' keys and values, or what a router reads).
struct PartInput {
  ConstDeviceView input;
  ConstDeviceView stream = {};
};

// The heads of rows as rows. Requires: `rows` are neighbours.
inline DeviceView ByHead(DeviceView rows, size_t dim) {
  return {rows.data, rows.rows * rows.cols / dim, dim, dim};
}

// Sees what enters and leaves the parts of a block while it runs; for fits.
class BlockTap {
 public:
  virtual ~BlockTap() = default;
  // These linears of the block are about to multiply these rows: all of the batch, or those that
  // chose an expert. The block multiplies by what stands in its place afterwards.
  virtual void BeforeLinears(std::span<const size_t> linears, ConstDeviceView inputs) = 0;
  // What a part reads and what it gives, before a norm after it.
  virtual void AfterPart(BlockPart part, const PartInput& input, ConstDeviceView output) = 0;
  // Whether the linears of an expert that so few rows chose are to be shown all rows instead.
  virtual bool WantsAllRows(size_t num_rows) = 0;
};

// Sees which experts rows choose while a lane runs, whatever groups they run in.
class RoutingWatch {
 public:
  virtual ~RoutingWatch() = default;
  // Of rows [first_row, ...) of what goes through a layer at once.
  virtual void Chosen(size_t layer, size_t first_row, const Routing& routing) = 0;
};

// Memory that a forward pass works in; one object serves many passes.
struct Scratch {
  explicit Scratch(TensorMemory& memory);

  Tensor normed, queries, keys, values, heads, gate, activated, delta;
  Tensor gating;                              // of the attention's output
  Tensor projected;                           // of which queries, or what is convolved, are made
  Tensor narrow_queries, narrow, plain_keys;  // of latent attention
  Tensor parallel;  // the other part's output, where both are added at once
  Tensor stream;    // rows of it, where they hold more than the residual stream
  Tensor router_input, per_layer;
  Tensor predictions, laurel;  // of several streams
  Tensor routed, expert_input, expert_output;
  Tensor rounded;                   // the input of a linear in a lane that rounds activations
  Tensor whole_keys, whole_values;  // of sequences that branch off others
};

// Runs any lane of one model: weights come with each call. Not thread-safe (it uses the backend's
// threads itself).
class Transformer {
 public:
  // Requires: `backend` outlives it.
  Transformer(ModelConfig config, const Backend& backend);

  const ModelConfig& config() const { return config_; }
  const Backend& backend() const { return backend_; }
  // Of the rows that go from block to block.
  const StreamLayout& stream() const { return stream_; }

  // `hidden` [tokens][hidden_size] receives norm(x_L), which LmHead turns into logits; x_0 =
  // embedding[tokens], x_{l+1} = Layer(x_l). With a cache, the batch's sequences continue its
  // slots. Requires: token ids < vocab_size, positions < max_positions.
  void Hidden(const LaneWeights& lane, const Batch& batch, KvCache* cache, Tensor& hidden);

  // logits [rows][vocab_size] of rows of `hidden`.
  void LmHead(const LaneWeights& lane, ConstDeviceView hidden, DeviceView logits) const;

  // Shows a watch all routing of whole passes and blocks, as long as it lives; of one at a time.
  class Watched {
   public:
    Watched(Transformer& transformer, RoutingWatch& watch) : transformer_(transformer) {
      transformer_.watch_ = &watch;
    }
    ~Watched() { transformer_.watch_ = nullptr; }
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;

   private:
    Transformer& transformer_;
  };

  // The parts, for calibration. `x` [tokens][stream().width()].
  void Embed(const LaneWeights& lane, const Batch& batch, Tensor& x) const;
  // norm(x_L) [tokens][hidden_size], the final one, which lies in rows of `x`.
  ConstDeviceView FinalNorm(const LaneWeights& lane, DeviceView x) const;
  // One block, by groups of sequences.
  void Layer(const LayerWeights& weights, size_t layer, const Batch& batch, KvCache* cache,
             DeviceView x);
  // The same, all sequences at once, seen by a tap.
  void Layer(const LayerWeights& weights, size_t layer, const Batch& batch, BlockTap& tap,
             DeviceView x);
  // One part of a block, by itself.
  void Part(const LayerWeights& weights, size_t layer, const Batch& batch, BlockPart part,
            const PartInput& input, Tensor& output);

 private:
  // What a call goes through a block with.
  struct Pass {
    const LayerWeights& weights;
    size_t layer;
    const Batch& batch;
    KvCache* cache;
    BlockTap* tap;
    ConstDeviceView stream;  // its rows, or none in a part that reads none of them
    DeviceView kept;         // the same, where keys and values are to be left; or none
    size_t first_row = 0;    // of the layer's rows, where a watch counts them
  };

  void Block(const Pass& pass, DeviceView stream);
  void EmbedPerLayer(const LaneWeights& lane, const Batch& batch, DeviceView stream) const;
  // Blocks of several residual streams (altup.cc).
  void StreamsBlock(const Pass& pass, DeviceView stream);
  DeviceView StreamOf(DeviceView stream, size_t number) const;
  void SpreadStreams(const LaneWeights& lane, DeviceView stream) const;
  void GatherStreams(const LaneWeights& lane, DeviceView stream) const;
  void MatchMagnitude(ConstDeviceView like, DeviceView y) const;
  Matrix StreamCoefficients(const Pass& pass, Kept coefficients, ConstDeviceView x);
  void PredictStreams(const Pass& pass, DeviceView stream);
  void CorrectStreams(const Pass& pass, ConstDeviceView found, DeviceView stream);
  void RunLaurel(const Pass& pass, ConstDeviceView x);
  void CutGates(double cutoff, DeviceView gates) const;
  void PerLayerOutput(const Pass& pass, ConstDeviceView from, Tensor& to);
  // The input of a part: normed, or x itself where norms come after.
  ConstDeviceView InputOf(const Pass& pass, BlockPart part, ConstDeviceView x);
  // Norms and scales what a part gives and adds it to x.
  void AddPart(const Pass& pass, BlockPart part, Tensor& delta, DeviceView x);
  void MixTokens(const Pass& pass, ConstDeviceView input, Tensor& delta);
  // Each leaves what the output projection reads in scratch_.heads.
  void SelfAttention(const Pass& pass, ConstDeviceView input);
  void RunDeltaRule(const Pass& pass, ConstDeviceView input);
  void Convolve(const Pass& pass, ConstDeviceView input);
  // Queries, keys and values, unrotated: of each head the part that will rotate first.
  void ProjectLatent(const Pass& pass, ConstDeviceView input);
  // Of the value heads of each row: what their states shrink by, and how much they take in.
  struct Rates {
    Matrix decays;
    Matrix rates;
  };
  Rates RatesOf(const Pass& pass, ConstDeviceView input);
  // The state of each sequence: none without a cache, zeros where it begins.
  std::vector<RecurrentSequence> Begin(const Pass& pass,
                                       DeviceView (KvCache::*state)(size_t, size_t));
  void ConvolveColumns(const Pass& pass, std::span<const RecurrentSequence> sequences, size_t first,
                       ConstDeviceView x, Tensor& y);
  void Attend(const Pass& pass, size_t num_rows);
  // Of one layer, where they are its own; queries always.
  void RoundKeysAndValues(const Pass& pass);
  AttentionShape ShapeOfAttention(const Pass& pass) const;
  std::vector<AttentionSequence> SequencesOf(const Pass& pass);
  void AttendTo(const Pass& pass, std::span<const AttentionSequence> sequences);
  // The sequences that branch off others, some at a time: each gets all its keys and values in one
  // place.
  void AttendBranches(const Pass& pass);
  std::vector<AttentionSequence> GatherBranches(const Batch& batch,
                                                std::span<const size_t> members);
  void TurnHeads(const Pass& pass);
  void RotateHeads(const Pass& pass);
  void NormHeads(const Pass& pass, Kept norm, Tensor& x);
  void FeedForward(const Pass& pass, ConstDeviceView input, ConstDeviceView x, Tensor& delta);
  void FeedForwardBeside(const Pass& pass, ConstDeviceView input, ConstDeviceView x, Tensor& delta);
  void RunMlp(const Pass& pass, const MlpPlaces& mlp, std::span<const RowRange> calls,
              ConstDeviceView input, Tensor& delta);
  // `x`: the residual stream, which some routers read.
  void RunExperts(const Pass& pass, ConstDeviceView input, ConstDeviceView x, Tensor& delta);
  Routing RouteRows(const Pass& pass, ConstDeviceView input);
  void RunExpert(const Pass& pass, size_t expert, const Routing::Visits& visits,
                 ConstDeviceView input, Tensor& delta);
  void AddSharedExpert(const Pass& pass, ConstDeviceView input, Tensor& delta);

  // y = W x of linears that read the same input, which the tap sees first.
  struct LinearOutput {
    size_t linear;
    Tensor* y;
  };
  void Multiply(const Pass& pass, std::span<const LinearOutput> outputs,
                std::span<const RowRange> calls, ConstDeviceView x);
  void MultiplyOne(const LayerWeights& weights, size_t linear, std::span<const RowRange> calls,
                   ConstDeviceView x, Tensor& y);
  void Norm(NormKind kind, ConstDeviceView x, ConstDeviceView weight, double eps,
            DeviceView y) const;
  struct RopeOf {
    size_t rope;
    size_t head_dim;
    SequenceLength length;
  };
  const RopeTable& TableOf(const RopeOf& of, size_t num_positions);

  ModelConfig config_;
  StreamLayout stream_;
  const Backend& backend_;
  std::vector<RopeTable> tables_;  // [rope][SequenceLength]
  RoutingWatch* watch_ = nullptr;
  Tensor ones_;         // of norms without a weight
  Tensor query_units_;  // that make RMS norms of a delta rule's queries and keys lengths
  Tensor key_units_;
  Scratch scratch_;
};

}  // namespace bitloss

#endif  // BITLOSS_MODEL_TRANSFORMER_H_

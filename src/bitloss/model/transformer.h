// The forward pass of Llama and Qwen2 models (reference: Hugging Face modeling_llama.py and
// modeling_qwen2.py), in FP32 on a Backend.
#ifndef BITLOSS_MODEL_TRANSFORMER_H_
#define BITLOSS_MODEL_TRANSFORMER_H_

#include <initializer_list>
#include <utility>

#include "bitloss/compute/backend.h"
#include "bitloss/model/batch.h"
#include "bitloss/model/config.h"
#include "bitloss/model/weights.h"

namespace bitloss {

// Memory that a forward pass works in; one object serves many passes. After SelfAttention, `heads`
// holds the input of o_proj; after FeedForward, `activated` the input of down_proj (calibration
// reads both).
struct Scratch {
  explicit Scratch(TensorMemory& memory);

  Tensor normed, queries, keys, values, heads, gate, activated, delta;
  Tensor rounded;  // the input of a linear in a lane that rounds activations
};

// Runs any lane of one model: weights come with each call. Not thread-safe (it uses the backend's
// threads itself).
class Transformer {
 public:
  // Requires: `backend` outlives it.
  Transformer(ModelConfig config, const Backend& backend);

  const ModelConfig& config() const { return config_; }
  const Backend& backend() const { return backend_; }

  // x_{l+1} = h + FeedForward(norm(h)), h = x_l + Attention(norm(x_l)), from x_0 =
  // embedding[tokens]; `hidden` [tokens][hidden_size] receives norm(x_L), which LmHead turns into
  // logits. With a cache, the batch's sequences continue its slots. Requires: token ids <
  // vocab_size, positions < max_positions.
  void Hidden(const LaneWeights& lane, const Batch& batch, KvCache* cache, Tensor& hidden);

  // logits [rows][vocab_size] of rows of `hidden`.
  void LmHead(const LaneWeights& lane, ConstDeviceView hidden, DeviceView logits) const;

  // The parts, for calibration.
  void Embed(const LaneWeights& lane, const Batch& batch, Tensor& x) const;
  // x = norm(x), the final one.
  void FinalNorm(const LaneWeights& lane, DeviceView x) const;
  // x += Attention(norm(x)); x += FeedForward(norm(x)).
  void Layer(const LayerWeights& weights, size_t layer, const Batch& batch, KvCache* cache,
             DeviceView x);
  // delta = o_proj(attention(q, k, v of `normed`)), [tokens][hidden_size].
  void SelfAttention(const LayerWeights& weights, size_t layer, const Batch& batch, KvCache* cache,
                     ConstDeviceView normed, Tensor& delta);
  // delta = down_proj(silu(gate) * up) of `normed`.
  void FeedForward(const LayerWeights& weights, const Batch& batch, ConstDeviceView normed,
                   Tensor& delta);
  const Scratch& scratch() const { return scratch_; }

 private:
  void LayerOfGroup(const LayerWeights& weights, size_t layer, const Batch& batch, KvCache* cache,
                    DeviceView x);
  void MatMul(const LayerWeights& weights, Linear linear, const Batch& batch, ConstDeviceView x,
              Tensor& y);
  // Several linears of the same input.
  void MatMuls(const LayerWeights& weights, const Batch& batch, ConstDeviceView x,
               std::initializer_list<std::pair<Linear, Tensor*>> linears);
  void ExtendRope(size_t num_positions);

  ModelConfig config_;
  const Backend& backend_;
  std::vector<double> inverse_frequencies_;
  RopeTable rope_;
  Scratch scratch_;
};

}  // namespace bitloss

#endif  // BITLOSS_MODEL_TRANSFORMER_H_

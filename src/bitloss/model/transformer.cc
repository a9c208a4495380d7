#include "bitloss/model/transformer.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "bitloss/compute/rounded_arithmetic.h"

namespace bitloss {

Scratch::Scratch(TensorMemory& memory)
    : normed(memory),
      queries(memory),
      keys(memory),
      values(memory),
      heads(memory),
      gate(memory),
      activated(memory),
      delta(memory),
      rounded(memory) {}

Transformer::Transformer(ModelConfig config, const Backend& backend)
    : config_(std::move(config)),
      backend_(backend),
      inverse_frequencies_(RopeInverseFrequencies(config_)),
      rope_{Tensor(backend.memory()), Tensor(backend.memory())},
      scratch_(backend.memory()) {}

void Transformer::Hidden(const LaneWeights& lane, const Batch& batch, KvCache* cache,
                         Tensor& hidden) {
  BITLOSS_CHECK(lane.layers.size() == config_.num_layers);  // not one that is without its blocks
  Embed(lane, batch, hidden);
  for (size_t layer = 0; layer < lane.layers.size(); ++layer) {
    Layer(lane.layers[layer], layer, batch, cache, hidden);
  }
  if (cache != nullptr) {
    for (size_t s = 0; s < batch.sequences().size(); ++s) {
      cache->Advance(batch.slots()[s], batch.sequences()[s].size());
    }
  }
  FinalNorm(lane, hidden);
}

void Transformer::FinalNorm(const LaneWeights& lane, DeviceView x) const {
  backend_.RmsNorm(x, *lane.final_norm, static_cast<float>(config_.rms_norm_eps), x);
}

void Transformer::LmHead(const LaneWeights& lane, ConstDeviceView hidden, DeviceView logits) const {
  const RowRange all{0, hidden.rows};
  backend_.MatMul(*lane.head, {}, hidden, {&all, 1}, logits);
}

void Transformer::Embed(const LaneWeights& lane, const Batch& batch, Tensor& x) const {
  x.Resize(batch.tokens().size(), config_.hidden_size);
  backend_.Embed(lane.embedding, batch.tokens(), x);
}

void Transformer::Layer(const LayerWeights& weights, size_t layer, const Batch& batch,
                        KvCache* cache, DeviceView x) {
  const std::vector<Batch> groups = batch.Groups(backend_.work_sizes().layer_tokens);
  size_t row = 0;
  for (const Batch& group : groups) {
    const size_t end = row + group.tokens().size();
    LayerOfGroup(weights, layer, group, cache, x.Rows(row, end));
    row = end;
  }
}

void Transformer::LayerOfGroup(const LayerWeights& weights, size_t layer, const Batch& batch,
                               KvCache* cache, DeviceView x) {
  scratch_.normed.Resize(x.rows, x.cols);
  backend_.RmsNorm(x, weights.input_norm, static_cast<float>(config_.rms_norm_eps),
                   scratch_.normed);
  SelfAttention(weights, layer, batch, cache, scratch_.normed, scratch_.delta);
  backend_.Add(scratch_.delta, x);

  backend_.RmsNorm(x, weights.post_attention_norm, static_cast<float>(config_.rms_norm_eps),
                   scratch_.normed);
  FeedForward(weights, batch, scratch_.normed, scratch_.delta);
  backend_.Add(scratch_.delta, x);
}

void Transformer::SelfAttention(const LayerWeights& weights, size_t layer, const Batch& batch,
                                KvCache* cache, ConstDeviceView normed, Tensor& delta) {
  Scratch& s = scratch_;
  MatMuls(weights, batch, normed,
          {{Linear::kQuery, &s.queries}, {Linear::kKey, &s.keys}, {Linear::kValue, &s.values}});
  ExtendRope(*std::max_element(batch.positions().begin(), batch.positions().end()) + size_t{1});
  backend_.Rope(rope_, batch.positions(), config_.head_dim, s.queries);
  backend_.Rope(rope_, batch.positions(), config_.head_dim, s.keys);

  std::vector<AttentionSequence> sequences;
  std::vector<Backend::Move> kept;
  for (size_t i = 0; i < batch.sequences().size(); ++i) {
    const RowRange rows = batch.sequences()[i];
    const size_t first = batch.first_position(i);
    AttentionSequence sequence{rows, first, s.keys.view().Rows(rows.begin, rows.end),
                               s.values.view().Rows(rows.begin, rows.end)};
    if (cache != nullptr) {
      const size_t end = first + rows.size();
      const DeviceView keys = cache->Keys(batch.slots()[i], layer);
      const DeviceView values = cache->Values(batch.slots()[i], layer);
      kept.push_back({sequence.keys, keys.Rows(first, end)});
      kept.push_back({sequence.values, values.Rows(first, end)});
      sequence.keys = keys.Rows(0, end);
      sequence.values = values.Rows(0, end);
    }
    sequences.push_back(sequence);
  }
  backend_.CopyAll(kept);
  const AttentionShape shape{config_.num_heads, config_.num_kv_heads, config_.head_dim};
  s.heads.Resize(normed.rows, config_.num_heads * config_.head_dim);
  if (weights.execution == Execution::Kind::kFp16Emulation) {
    backend_.AttentionInFp16(shape, s.queries, sequences, s.heads);
  } else {
    backend_.Attention(shape, s.queries, sequences, s.heads);
  }
  MatMul(weights, Linear::kOutput, batch, s.heads, delta);
}

void Transformer::FeedForward(const LayerWeights& weights, const Batch& batch,
                              ConstDeviceView normed, Tensor& delta) {
  Scratch& s = scratch_;
  MatMuls(weights, batch, normed, {{Linear::kGate, &s.gate}, {Linear::kUp, &s.activated}});
  backend_.SwiGlu(s.gate, s.activated, s.activated);
  MatMul(weights, Linear::kDown, batch, s.activated, delta);
}

void Transformer::MatMul(const LayerWeights& weights, Linear linear, const Batch& batch,
                         ConstDeviceView x, Tensor& y) {
  const PackedMatrix& packed = weights.linear(linear);
  y.Resize(x.rows, packed.out_features());
  if (!RoundsActivations(weights.execution)) {
    backend_.MatMul(packed, weights.bias(linear), x, batch.sequences(), y);
    return;
  }
  scratch_.rounded.Resize(x.rows, x.cols);
  backend_.RoundActivations(weights.execution, x, scratch_.rounded);
  backend_.MatMul(packed, weights.bias(linear), scratch_.rounded, batch.sequences(), y);
  backend_.RoundActivations(weights.execution, y, y);
}

void Transformer::MatMuls(const LayerWeights& weights, const Batch& batch, ConstDeviceView x,
                          std::initializer_list<std::pair<Linear, Tensor*>> linears) {
  if (RoundsActivations(weights.execution)) {
    for (const auto& [linear, y] : linears) MatMul(weights, linear, batch, x, *y);
    return;
  }
  std::vector<Backend::Product> products;
  for (const auto& [linear, y] : linears) {
    const PackedMatrix& packed = weights.linear(linear);
    y->Resize(x.rows, packed.out_features());
    products.push_back({&packed, weights.bias(linear), *y});
  }
  backend_.MatMuls(products, x, batch.sequences());
}

// The angle is the FP32 product of position and frequency, as transformers computes it; its cosine
// and sine are rounded once from double, so they do not depend on a library's float versions.
void Transformer::ExtendRope(size_t num_positions) {
  if (num_positions <= rope_.cos.rows()) return;
  const size_t rows = std::bit_ceil(num_positions);
  const size_t half = config_.head_dim / 2;
  Matrix cosines(rows, half);
  Matrix sines(rows, half);
  for (size_t position = 0; position < rows; ++position) {
    for (size_t i = 0; i < half; ++i) {
      const float angle =
          static_cast<float>(position) * static_cast<float>(inverse_frequencies_[i]);
      cosines.Row(position)[i] = static_cast<float>(std::cos(double{angle}));
      sines.Row(position)[i] = static_cast<float>(std::sin(double{angle}));
    }
  }
  rope_.cos = backend_.ToTensor(cosines);
  rope_.sin = backend_.ToTensor(sines);
}

}  // namespace bitloss

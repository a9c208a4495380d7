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
      gating(memory),
      projected(memory),
      narrow_queries(memory),
      narrow(memory),
      plain_keys(memory),
      parallel(memory),
      stream(memory),
      router_input(memory),
      per_layer(memory),
      predictions(memory),
      laurel(memory),
      routed(memory),
      expert_input(memory),
      expert_output(memory),
      rounded(memory),
      whole_keys(memory),
      whole_values(memory) {}

Transformer::Transformer(ModelConfig config, const Backend& backend)
    : config_(std::move(config)), stream_(config_), backend_(backend), scratch_(backend.memory()) {
  for (size_t i = 0; i < 2 * config_.ropes.size(); ++i) {
    tables_.push_back(
        {Tensor(backend.memory()), Tensor(backend.memory()), config_.ropes[i / 2].pairing});
  }
  const size_t widest = std::max(config_.hidden_size, config_.Largest(&ModelConfig::query_width));
  if (config_.norms_embedding || config_.head_norm_weight == HeadNormWeight::kNone ||
      config_.norms_values) {
    ones_ = backend.ToTensor(std::vector<float>(widest, 1.0f));
  }
  if (config_.delta) {
    const size_t dim = config_.delta->shape.key_dim;
    const float unit = 1.0f / std::sqrt(static_cast<float>(dim));
    key_units_ = backend.ToTensor(std::vector<float>(dim, unit));
    query_units_ = backend.ToTensor(std::vector<float>(dim, unit * unit));
  }
}

void Transformer::Hidden(const LaneWeights& lane, const Batch& batch, KvCache* cache,
                         Tensor& hidden) {
  BITLOSS_CHECK(lane.layers.size() == config_.num_layers);  // not one that is without its blocks
  // Rows that hold more than the residual stream stand elsewhere until the end.
  const bool is_wide = stream_.width() != config_.hidden_size;
  Tensor& x = is_wide ? scratch_.stream : hidden;
  Embed(lane, batch, x);
  for (size_t layer = 0; layer < lane.layers.size(); ++layer) {
    Layer(lane.layers[layer], layer, batch, cache, x);
  }
  if (cache != nullptr) {
    for (size_t s = 0; s < batch.sequences().size(); ++s) {
      cache->Advance(batch.slots()[s], batch.sequences()[s].size());
    }
  }
  const ConstDeviceView normed = FinalNorm(lane, x);
  if (!is_wide) return;
  hidden.Resize(normed.rows, normed.cols);
  backend_.Copy(normed, hidden);
}

ConstDeviceView Transformer::FinalNorm(const LaneWeights& lane, DeviceView x) const {
  if (config_.altup) GatherStreams(lane, x);
  const DeviceView residual = x.Cols(stream_.residual().begin, stream_.residual().end);
  Norm(config_.final_norm_kind, residual, *lane.final_norm, config_.rms_norm_eps, residual);
  return residual;
}

void Transformer::LmHead(const LaneWeights& lane, ConstDeviceView hidden, DeviceView logits) const {
  const RowRange all{0, hidden.rows};
  backend_.MatMul(*lane.head, {}, hidden, {&all, 1}, logits);
  if (config_.logit_scale != 1.0) {
    backend_.Scale(static_cast<float>(config_.logit_scale), logits);
  }
  if (config_.logit_softcap > 0) {
    backend_.SoftCap(static_cast<float>(config_.logit_softcap), logits);
  }
}

void Transformer::Embed(const LaneWeights& lane, const Batch& batch, Tensor& stream) const {
  stream.Resize(batch.tokens().size(), stream_.width());
  const DeviceView x = stream.view().Cols(stream_.residual().begin, stream_.residual().end);
  backend_.Embed(lane.embedding, batch.tokens(), x);
  if (config_.embedding_scale != 1.0) {
    backend_.Scale(static_cast<float>(config_.embedding_scale), x);
  }
  if (config_.norms_embedding) {
    const ConstDeviceView ones{ones_.view().data, 1, x.cols, x.cols};
    backend_.RmsNorm(x, ones, static_cast<float>(config_.rms_norm_eps), x);
  }
  if (config_.per_layer_input) EmbedPerLayer(lane, batch, stream);
  if (config_.altup) SpreadStreams(lane, stream);
}

void Transformer::Layer(const LayerWeights& weights, size_t layer, const Batch& batch,
                        KvCache* cache, DeviceView x) {
  const std::vector<Batch> groups = batch.Groups(backend_.work_sizes().layer_tokens);
  size_t row = 0;
  for (const Batch& group : groups) {
    const size_t end = row + group.tokens().size();
    const DeviceView rows = x.Rows(row, end);
    Block({weights, layer, group, cache, nullptr, rows, rows, row}, rows);
    row = end;
  }
}

void Transformer::Layer(const LayerWeights& weights, size_t layer, const Batch& batch,
                        BlockTap& tap, DeviceView x) {
  Block({weights, layer, batch, nullptr, &tap, x, x}, x);
}

void Transformer::Part(const LayerWeights& weights, size_t layer, const Batch& batch,
                       BlockPart part, const PartInput& input, Tensor& output) {
  const Pass pass{weights, layer, batch, nullptr, nullptr, input.stream, {}};
  switch (part) {
    case BlockPart::kAttention:
      return MixTokens(pass, input.input, output);
    case BlockPart::kMlp:
      if (!HasExpertsBeside(*weights.plan)) {
        return FeedForward(pass, input.input, input.stream, output);
      }
      return RunMlp(pass, *weights.plan->mlp, batch.sequences(), input.input, output);
    case BlockPart::kExperts:
      return RunExperts(pass, input.input, input.stream, output);
  }
}

void Transformer::Block(const Pass& pass, DeviceView stream) {
  if (config_.altup) return StreamsBlock(pass, stream);
  Scratch& s = scratch_;
  const DeviceView x = stream.Cols(stream_.residual().begin, stream_.residual().end);
  const ConstDeviceView input = InputOf(pass, BlockPart::kAttention, x);
  MixTokens(pass, input, s.delta);
  if (config_.norm_placement == NormPlacement::kParallel) {
    FeedForward(pass, input, x, s.parallel);
    AddPart(pass, BlockPart::kAttention, s.delta, x);
    AddPart(pass, BlockPart::kMlp, s.parallel, x);
    return;
  }
  AddPart(pass, BlockPart::kAttention, s.delta, x);
  FeedForward(pass, InputOf(pass, BlockPart::kMlp, x), x, s.delta);
  AddPart(pass, BlockPart::kMlp, s.delta, x);
  if (config_.per_layer_input) {
    PerLayerOutput(pass, x, s.delta);
    backend_.Add(s.delta, x);
  }
  if (config_.scales_layers) {
    Matrix staging;
    backend_.Scale(backend_.OnHost(pass.weights.part(Kept::kLayerScale), staging).Row(0)[0], x);
  }
}

ConstDeviceView Transformer::InputOf(const Pass& pass, BlockPart part, ConstDeviceView x) {
  if (config_.norm_placement == NormPlacement::kAfter) return x;
  const Kept norm = part == BlockPart::kAttention ? Kept::kPreAttentionNorm : Kept::kPreMlpNorm;
  scratch_.normed.Resize(x.rows, x.cols);
  Norm(config_.norm_kind, x, pass.weights.part(norm), config_.rms_norm_eps, scratch_.normed);
  return scratch_.normed;
}

void Transformer::AddPart(const Pass& pass, BlockPart part, Tensor& delta, DeviceView x) {
  const Kept norm = part == BlockPart::kAttention ? Kept::kPostAttentionNorm : Kept::kPostMlpNorm;
  if (pass.weights.part(norm).rows > 0) {
    const double eps = config_.post_norm_eps > 0 ? config_.post_norm_eps : config_.rms_norm_eps;
    Norm(config_.norm_kind, delta, pass.weights.part(norm), eps, delta);
  }
  if (config_.residual_scale != 1.0) {
    backend_.Scale(static_cast<float>(config_.residual_scale), delta);
  }
  backend_.Add(delta, x);
}

void Transformer::MixTokens(const Pass& pass, ConstDeviceView input, Tensor& delta) {
  switch (config_.layer(pass.layer).mixer) {
    case Mixer::kAttention:
    case Mixer::kLatentAttention:
      SelfAttention(pass, input);
      break;
    case Mixer::kDeltaRule:
      RunDeltaRule(pass, input);
      break;
    case Mixer::kShortConvolution:
      Convolve(pass, input);
      break;
  }
  const LinearOutput output{pass.weights.plan->At(Linear::kOutput), &delta};
  Multiply(pass, {&output, 1}, pass.batch.sequences(), scratch_.heads);
  if (pass.tap == nullptr) return;
  const bool reads_stream = config_.layer(pass.layer).kv_source.has_value();
  pass.tap->AfterPart(BlockPart::kAttention,
                      {input, reads_stream ? pass.stream : ConstDeviceView()}, delta);
}

void Transformer::Multiply(const Pass& pass, std::span<const LinearOutput> outputs,
                           std::span<const RowRange> calls, ConstDeviceView x) {
  if (pass.tap != nullptr) {
    std::vector<size_t> linears;
    for (const LinearOutput& output : outputs) linears.push_back(output.linear);
    pass.tap->BeforeLinears(linears, x);
  }
  if (outputs.size() == 1 || RoundsActivations(pass.weights.execution)) {
    for (const auto& [linear, y] : outputs) MultiplyOne(pass.weights, linear, calls, x, *y);
    return;
  }
  std::vector<Backend::Product> products;
  for (const auto& [linear, y] : outputs) {
    const PackedMatrix& packed = pass.weights.linear(linear);
    y->Resize(x.rows, packed.out_features());
    products.push_back({&packed, pass.weights.bias(linear), *y});
  }
  backend_.MatMuls(products, x, calls);
}

void Transformer::MultiplyOne(const LayerWeights& weights, size_t linear,
                              std::span<const RowRange> calls, ConstDeviceView x, Tensor& y) {
  const PackedMatrix& packed = weights.linear(linear);
  y.Resize(x.rows, packed.out_features());
  if (!RoundsActivations(weights.execution)) {
    backend_.MatMul(packed, weights.bias(linear), x, calls, y);
    return;
  }
  scratch_.rounded.Resize(x.rows, x.cols);
  backend_.RoundActivations(weights.execution, x, scratch_.rounded);
  backend_.MatMul(packed, weights.bias(linear), scratch_.rounded, calls, y);
  backend_.RoundActivations(weights.execution, y, y);
}

void Transformer::Norm(NormKind kind, ConstDeviceView x, ConstDeviceView weight, double eps,
                       DeviceView y) const {
  if (kind != NormKind::kLayerNorm) {
    return backend_.RmsNorm(x, weight, static_cast<float>(eps), y);
  }
  backend_.Center(x, y);
  backend_.RmsNorm(y, weight, static_cast<float>(eps), y);
}

// The angle is the FP32 product of position and frequency, as transformers computes it; its cosine
// and sine are rounded once from double, so they do not depend on a library's float versions.
const RopeTable& Transformer::TableOf(const RopeOf& of, size_t num_positions) {
  const auto [rope, dim, length] = of;
  const RopeConfig& config = config_.ropes[rope];
  RopeTable& table = tables_[2 * rope + static_cast<size_t>(length)];
  if (num_positions <= table.cos.rows()) return table;
  const std::vector<double> frequencies = RopeInverseFrequencies(config, dim, length);
  const size_t rows = std::bit_ceil(num_positions);
  Matrix cosines(rows, frequencies.size());
  Matrix sines(rows, frequencies.size());
  for (size_t position = 0; position < rows; ++position) {
    for (size_t i = 0; i < frequencies.size(); ++i) {
      const float angle = static_cast<float>(position) * static_cast<float>(frequencies[i]);
      cosines.Row(position)[i] = static_cast<float>(std::cos(double{angle}) * config.magnitude);
      sines.Row(position)[i] = static_cast<float>(std::sin(double{angle}) * config.magnitude);
    }
  }
  table.cos = backend_.ToTensor(cosines);
  table.sin = backend_.ToTensor(sines);
  return table;
}

}  // namespace bitloss

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
      routed(memory),
      expert_input(memory),
      expert_output(memory),
      rounded(memory) {}

Transformer::Transformer(ModelConfig config, const Backend& backend)
    : config_(std::move(config)), backend_(backend), scratch_(backend.memory()) {
  for (size_t i = 0; i < 2 * config_.ropes.size(); ++i) {
    tables_.push_back(
        {Tensor(backend.memory()), Tensor(backend.memory()), config_.ropes[i / 2].pairing});
  }
  const size_t widest = std::max(config_.hidden_size, config_.query_width());
  if (config_.norms_embedding || config_.head_norm_weight == HeadNormWeight::kNone) {
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
  Norm(config_.final_norm_kind, x, *lane.final_norm, config_.rms_norm_eps, x);
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

void Transformer::Embed(const LaneWeights& lane, const Batch& batch, Tensor& x) const {
  x.Resize(batch.tokens().size(), config_.hidden_size);
  backend_.Embed(lane.embedding, batch.tokens(), x);
  if (config_.embedding_scale != 1.0) {
    backend_.Scale(static_cast<float>(config_.embedding_scale), x);
  }
  if (config_.norms_embedding) {
    const ConstDeviceView ones{ones_.view().data, 1, x.cols(), x.cols()};
    backend_.RmsNorm(x, ones, static_cast<float>(config_.rms_norm_eps), x);
  }
}

void Transformer::Layer(const LayerWeights& weights, size_t layer, const Batch& batch,
                        KvCache* cache, DeviceView x) {
  const std::vector<Batch> groups = batch.Groups(backend_.work_sizes().layer_tokens);
  size_t row = 0;
  for (const Batch& group : groups) {
    const size_t end = row + group.tokens().size();
    Block({weights, layer, group, cache, nullptr}, x.Rows(row, end));
    row = end;
  }
}

void Transformer::Layer(const LayerWeights& weights, size_t layer, const Batch& batch,
                        BlockTap& tap, DeviceView x) {
  Block({weights, layer, batch, nullptr, &tap}, x);
}

void Transformer::Part(const LayerWeights& weights, size_t layer, const Batch& batch,
                       BlockPart part, ConstDeviceView input, Tensor& output) {
  const Pass pass{weights, layer, batch, nullptr, nullptr};
  if (part == BlockPart::kAttention) {
    MixTokens(pass, input, output);
  } else {
    FeedForward(pass, input, output);
  }
}

void Transformer::Block(const Pass& pass, DeviceView x) {
  Scratch& s = scratch_;
  const ConstDeviceView input = InputOf(pass, BlockPart::kAttention, x);
  MixTokens(pass, input, s.delta);
  if (config_.norm_placement == NormPlacement::kParallel) {
    FeedForward(pass, input, s.parallel);
    AddPart(pass, BlockPart::kAttention, s.delta, x);
    AddPart(pass, BlockPart::kMlp, s.parallel, x);
    return;
  }
  AddPart(pass, BlockPart::kAttention, s.delta, x);
  FeedForward(pass, InputOf(pass, BlockPart::kMlp, x), s.delta);
  AddPart(pass, BlockPart::kMlp, s.delta, x);
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
  if (pass.tap != nullptr) pass.tap->AfterPart(BlockPart::kAttention, input, delta);
}

void Transformer::SelfAttention(const Pass& pass, ConstDeviceView input) {
  Scratch& s = scratch_;
  const std::span<const RowRange> calls = pass.batch.sequences();
  if (config_.latent) {
    ProjectLatent(pass, input);
  } else {
    const LayerPlan& plan = *pass.weights.plan;
    std::vector<LinearOutput> projections = {{plan.At(Linear::kQuery), &s.queries}};
    if (config_.gates_heads) projections.push_back({plan.At(Linear::kHeadGate), &s.gating});
    projections.push_back({plan.At(Linear::kKey), &s.keys});
    projections.push_back({plan.At(Linear::kValue), &s.values});
    Multiply(pass, projections, calls, input);
  }
  TurnHeads(pass);
  Attend(pass, input.rows);
  if (config_.has_output_gate) {
    s.gating.Resize(s.heads.rows(), s.heads.cols());
    backend_.MatMul(pass.weights.matrix(Kept::kOutputGate), {}, input, calls, s.gating);
  }
  if (config_.has_output_gate || config_.gates_heads) {
    backend_.Gate({.gating = Gating::kSigmoid}, s.gating, s.heads, s.heads);
  }
}

// Norms, rotates and scales queries and keys.
void Transformer::TurnHeads(const Pass& pass) {
  Scratch& s = scratch_;
  const LayerSpec layer = config_.layer(pass.layer);
  const bool norms = layer.norms_heads && config_.head_norms != HeadNorms::kNone;
  const auto norm = [&] {
    NormHeads(pass, Kept::kQueryNorm, s.queries);
    NormHeads(pass, Kept::kKeyNorm, s.keys);
  };
  if (norms && config_.head_norm_place == HeadNormPlace::kBeforeRope) norm();
  if (config_.query_scale != 1.0) {
    backend_.Scale(static_cast<float>(config_.query_scale), s.queries);
  }
  const std::span<const uint32_t> positions = pass.batch.positions();
  if (layer.rope) {
    const size_t original = OriginalLength(config_.ropes[*layer.rope]);
    for (size_t i = 0; i < pass.batch.sequences().size(); ++i) {
      // Those that all turn alike go together.
      const RowRange rows =
          original == 0 ? RowRange{0, positions.size()} : pass.batch.sequences()[i];
      const size_t longest =
          pass.cache == nullptr ? rows.size() : pass.cache->capacity(pass.batch.slots()[i]);
      const auto of_rows = positions.subspan(rows.begin, rows.size());
      const RopeTable& table = TableOf(
          *layer.rope,
          longest > original && original > 0 ? SequenceLength::kBeyond : SequenceLength::kOriginal,
          *std::max_element(of_rows.begin(), of_rows.end()) + size_t{1});
      backend_.Rope(table, of_rows, config_.head_dim, s.queries.view().Rows(rows.begin, rows.end));
      backend_.Rope(table, of_rows, config_.head_dim, s.keys.view().Rows(rows.begin, rows.end));
      if (original == 0) break;
    }
  }
  if (norms && config_.head_norm_place == HeadNormPlace::kAfterRope) norm();
  if (!config_.temperature || !layer.has_temperature) return;
  const QueryTemperature& temperature = *config_.temperature;
  std::vector<float> factors;
  for (const uint32_t position : positions) {
    const auto steps = static_cast<double>((position + temperature.offset) / temperature.length);
    factors.push_back(static_cast<float>(1.0 + temperature.beta * std::log(1.0 + steps)));
  }
  backend_.ScaleRows(factors, s.queries);
}

void Transformer::NormHeads(const Pass& pass, Kept norm, Tensor& x) {
  DeviceView rows = x;
  if (config_.head_norms == HeadNorms::kEachHead) {
    rows = {rows.data, rows.rows * rows.cols / config_.head_dim, config_.head_dim,
            config_.head_dim};
  }
  const bool has_weight = config_.head_norm_weight == HeadNormWeight::kOwn;
  const ConstDeviceView weight =
      has_weight ? pass.weights.part(norm)
                 : ConstDeviceView{std::as_const(ones_).view().data, 1, rows.cols, rows.cols};
  backend_.RmsNorm(rows, weight, static_cast<float>(config_.rms_norm_eps), rows);
}

// As they come back from the cache.
void Transformer::RoundKeysAndValues(const KvRounding& kv) {
  Scratch& s = scratch_;
  const size_t head_dim = config_.head_dim;
  if (kv.keys) {
    backend_.ChangeRows(s.keys, [&](auto row) { RoundKeys(*kv.keys, head_dim, row); });
    backend_.ChangeRows(s.queries, [&](auto row) { RoundQueries(*kv.keys, head_dim, row); });
  }
  if (kv.values) {
    backend_.ChangeRows(s.values, [&](auto row) { RoundValues(*kv.values, head_dim, row); });
  }
}

void Transformer::Attend(const Pass& pass, size_t num_rows) {
  Scratch& s = scratch_;
  const KvRounding& kv = pass.weights.kv;
  if (kv.any()) RoundKeysAndValues(kv);
  std::vector<AttentionSequence> sequences;
  std::vector<Backend::Move> kept;
  for (size_t i = 0; i < pass.batch.sequences().size(); ++i) {
    const RowRange rows = pass.batch.sequences()[i];
    const size_t first = pass.batch.first_position(i);
    AttentionSequence sequence{rows, first, s.keys.view().Rows(rows.begin, rows.end),
                               s.values.view().Rows(rows.begin, rows.end)};
    if (pass.cache != nullptr) {
      const size_t end = first + rows.size();
      const DeviceView keys = pass.cache->Keys(pass.batch.slots()[i], pass.layer);
      const DeviceView values = pass.cache->Values(pass.batch.slots()[i], pass.layer);
      kept.push_back({sequence.keys, keys.Rows(first, end)});
      kept.push_back({sequence.values, values.Rows(first, end)});
      sequence.keys = keys.Rows(0, end);
      sequence.values = values.Rows(0, end);
    }
    sequences.push_back(sequence);
  }
  backend_.CopyAll(kept);
  const LayerSpec layer = config_.layer(pass.layer);
  const AttentionShape shape{.num_heads = config_.num_heads,
                             .num_kv_heads = config_.num_kv_heads,
                             .head_dim = config_.head_dim,
                             .scale = static_cast<float>(config_.attention_scale),
                             .softcap = static_cast<float>(config_.attention_softcap),
                             .window = layer.window,
                             .chunk = layer.chunk,
                             .sinks = pass.weights.part(Kept::kSinks),
                             .value_dim = config_.value_dim};
  s.heads.Resize(num_rows, config_.heads_width());
  if (pass.weights.execution == Execution::Kind::kFp16Emulation) {
    backend_.AttentionInFp16(shape, s.queries, sequences, s.heads);
  } else {
    backend_.Attention(shape, s.queries, sequences, s.heads);
  }
  if (kv.values) {
    backend_.ChangeRows(s.heads, [&](auto row) { TurnBack(*kv.values, config_.head_dim, row); });
  }
}

void Transformer::FeedForward(const Pass& pass, ConstDeviceView input, Tensor& delta) {
  if (pass.weights.plan->experts.empty()) {
    RunMlp(pass, *pass.weights.plan->mlp, pass.batch.sequences(), input, delta);
  } else {
    RunExperts(pass, input, delta);
  }
  if (pass.tap != nullptr) pass.tap->AfterPart(BlockPart::kMlp, input, delta);
}

// delta = down(activation(gate, up)) of `input`.
void Transformer::RunMlp(const Pass& pass, const MlpPlaces& mlp, std::span<const RowRange> calls,
                         ConstDeviceView input, Tensor& delta) {
  Scratch& s = scratch_;
  if (mlp.gate) {
    const LinearOutput both[] = {{*mlp.gate, &s.gate}, {mlp.up, &s.activated}};
    Multiply(pass, both, calls, input);
    backend_.Gate(config_.activation, s.gate, s.activated, s.activated);
  } else {
    const LinearOutput up{mlp.up, &s.activated};
    Multiply(pass, {&up, 1}, calls, input);
    backend_.Gate(config_.activation, {}, s.activated, s.activated);
  }
  const LinearOutput down{mlp.down, &delta};
  Multiply(pass, {&down, 1}, calls, s.activated);
}

// Rows are grouped by expert, and experts add to a token in ascending order.
void Transformer::RunExperts(const Pass& pass, ConstDeviceView input, Tensor& delta) {
  Scratch& s = scratch_;
  const ExpertsSpec& experts = *config_.experts;
  s.routed.Resize(input.rows, experts.count);
  backend_.MatMul(pass.weights.matrix(Kept::kRouter), pass.weights.part(Kept::kRouterBias), input,
                  pass.batch.sequences(), s.routed);
  Matrix logits;
  Matrix bias;
  const ConstDeviceView selection = pass.weights.part(Kept::kSelectionBias);
  const ConstMatrixView bias_on_host =
      selection.rows > 0 ? backend_.OnHost(selection, bias) : ConstMatrixView{};
  const Routing routing =
      Route(experts, backend_.OnHost(s.routed, logits),
            selection.rows > 0 ? bias_on_host.Row(0) : std::span<const float>());
  Matrix zeros(input.rows, input.cols);
  zeros.Fill(0.0f);
  delta.Resize(input.rows, input.cols);
  backend_.Upload(zeros, delta);
  for (size_t e = 0; e < experts.count; ++e) {
    RunExpert(pass, e, routing.experts[e], input, delta);
  }
  if (experts.shared != ExpertsSpec::Shared::kNone) AddSharedExpert(pass, input, delta);
}

namespace {

// Rows of a batch, ascending, cut where its sequences are.
std::vector<RowRange> CallsOf(std::span<const size_t> rows, std::span<const RowRange> sequences) {
  std::vector<RowRange> calls;
  size_t begin = 0;
  for (const RowRange& sequence : sequences) {
    size_t end = begin;
    while (end < rows.size() && rows[end] < sequence.end) ++end;
    if (end > begin) calls.push_back({begin, end});
    begin = end;
  }
  return calls;
}

}  // namespace

void Transformer::RunExpert(const Pass& pass, size_t expert, const Routing::Visits& visits,
                            ConstDeviceView input, Tensor& delta) {
  Scratch& s = scratch_;
  const MlpPlaces& mlp = pass.weights.plan->experts[expert];
  Pass seen = pass;
  if (pass.tap != nullptr && pass.tap->WantsAllRows(visits.rows.size())) {
    RunMlp(pass, mlp, pass.batch.sequences(), input, s.expert_output);
    seen.tap = nullptr;
  }
  if (visits.rows.empty()) return;
  s.expert_input.Resize(visits.rows.size(), input.cols);
  backend_.GatherRows(input, visits.rows, s.expert_input);
  const bool weighs_input = config_.experts->router.weighs_input;
  if (weighs_input) backend_.ScaleRows(visits.weights, s.expert_input);
  RunMlp(seen, mlp, CallsOf(visits.rows, pass.batch.sequences()), s.expert_input, s.expert_output);
  const std::vector<float> ones(visits.rows.size(), 1.0f);
  backend_.AddWeighted(s.expert_output, visits.rows, weighs_input ? ones : visits.weights, delta);
}

void Transformer::AddSharedExpert(const Pass& pass, ConstDeviceView input, Tensor& delta) {
  Scratch& s = scratch_;
  RunMlp(pass, *pass.weights.plan->mlp, pass.batch.sequences(), input, s.expert_output);
  if (config_.experts->shared == ExpertsSpec::Shared::kGated) {
    s.routed.Resize(input.rows, 1);
    backend_.MatMul(pass.weights.matrix(Kept::kSharedGate), {}, input, pass.batch.sequences(),
                    s.routed);
    Matrix staging;
    const ConstMatrixView logits = backend_.OnHost(s.routed, staging);
    std::vector<float> factors;
    for (size_t row = 0; row < logits.rows; ++row) {
      factors.push_back(static_cast<float>(1.0 / (1.0 + std::exp(-double{logits.Row(row)[0]}))));
    }
    backend_.ScaleRows(factors, s.expert_output);
  }
  backend_.Add(s.expert_output, delta);
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
const RopeTable& Transformer::TableOf(size_t rope, SequenceLength length, size_t num_positions) {
  const RopeConfig& config = config_.ropes[rope];
  RopeTable& table = tables_[2 * rope + static_cast<size_t>(length)];
  if (num_positions <= table.cos.rows()) return table;
  const std::vector<double> frequencies = RopeInverseFrequencies(config, config_.head_dim, length);
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

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

namespace {

// The weight of a norm that has none.
ConstDeviceView Ones(const Tensor& ones, size_t count) {
  return {ones.view().data, 1, count, count};
}

}  // namespace

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

void Transformer::SelfAttention(const Pass& pass, ConstDeviceView input) {
  Scratch& s = scratch_;
  const std::span<const RowRange> calls = pass.batch.sequences();
  if (config_.latent) {
    ProjectLatent(pass, input);
  } else {
    const LayerPlan& plan = *pass.weights.plan;
    std::vector<LinearOutput> projections = {{plan.At(Linear::kQuery), &s.queries}};
    if (config_.gates_heads) projections.push_back({plan.At(Linear::kHeadGate), &s.gating});
    if (const auto key = plan.Find(Linear::kKey)) projections.push_back({*key, &s.keys});
    if (const auto value = plan.Find(Linear::kValue)) projections.push_back({*value, &s.values});
    Multiply(pass, projections, calls, input);
    if (config_.layer(pass.layer).values_are_keys) {
      s.values.Resize(s.keys.rows(), s.keys.cols());
      backend_.Copy(s.keys, s.values);
    }
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

// Norms, rotates and scales queries and keys; norms values.
void Transformer::TurnHeads(const Pass& pass) {
  Scratch& s = scratch_;
  const LayerSpec layer = config_.layer(pass.layer);
  const bool norms = layer.norms_heads && config_.head_norms != HeadNorms::kNone;
  const auto norm = [&] {
    NormHeads(pass, Kept::kQueryNorm, s.queries);
    if (!layer.kv_source) NormHeads(pass, Kept::kKeyNorm, s.keys);
  };
  if (config_.norms_values && !layer.kv_source) {
    const DeviceView heads = ByHead(s.values, config_.value_dim_of(pass.layer));
    backend_.RmsNorm(heads, Ones(ones_, heads.cols), static_cast<float>(config_.rms_norm_eps),
                     heads);
  }
  if (norms && config_.head_norm_place == HeadNormPlace::kBeforeRope) norm();
  if (config_.query_scale != 1.0) {
    backend_.Scale(static_cast<float>(config_.query_scale), s.queries);
  }
  if (layer.rope) RotateHeads(pass);
  if (norms && config_.head_norm_place == HeadNormPlace::kAfterRope) norm();
  if (!config_.temperature || !layer.has_temperature) return;
  const QueryTemperature& temperature = *config_.temperature;
  std::vector<float> factors;
  for (const uint32_t position : pass.batch.positions()) {
    const auto steps = static_cast<double>((position + temperature.offset) / temperature.length);
    factors.push_back(static_cast<float>(1.0 + temperature.beta * std::log(1.0 + steps)));
  }
  backend_.ScaleRows(factors, s.queries);
}

void Transformer::RotateHeads(const Pass& pass) {
  Scratch& s = scratch_;
  const LayerSpec layer = config_.layer(pass.layer);
  const size_t dim = config_.head_dim_of(pass.layer);
  const std::span<const uint32_t> positions = pass.batch.positions();
  const size_t original = OriginalLength(config_.ropes[*layer.rope]);
  for (size_t i = 0; i < pass.batch.sequences().size(); ++i) {
    // Those that all turn alike go together.
    const RowRange rows = original == 0 ? RowRange{0, positions.size()} : pass.batch.sequences()[i];
    const size_t longest =
        pass.cache == nullptr ? rows.size() : pass.cache->capacity(pass.batch.slots()[i]);
    const auto of_rows = positions.subspan(rows.begin, rows.size());
    const RopeTable& table = TableOf(
        {*layer.rope, dim,
         longest > original && original > 0 ? SequenceLength::kBeyond : SequenceLength::kOriginal},
        *std::max_element(of_rows.begin(), of_rows.end()) + size_t{1});
    backend_.Rope(table, of_rows, dim, s.queries.view().Rows(rows.begin, rows.end));
    if (!layer.kv_source) {
      backend_.Rope(table, of_rows, dim, s.keys.view().Rows(rows.begin, rows.end));
    }
    if (original == 0) break;
  }
}

// `norm`: of queries or keys.
void Transformer::NormHeads(const Pass& pass, Kept norm, Tensor& x) {
  const size_t dim = config_.head_dim_of(pass.layer);
  const DeviceView rows = config_.head_norms == HeadNorms::kEachHead ? ByHead(x, dim) : x.view();
  const bool has_weight = config_.head_norm_weight == HeadNormWeight::kOwn;
  backend_.RmsNorm(rows, has_weight ? pass.weights.part(norm) : Ones(ones_, rows.cols),
                   static_cast<float>(config_.rms_norm_eps), rows);
}

// As they come back from the cache. Keys and values of an earlier layer have been rounded there.
void Transformer::RoundKeysAndValues(const Pass& pass) {
  Scratch& s = scratch_;
  const KvRounding& kv = pass.weights.kv;
  const size_t head_dim = config_.head_dim_of(pass.layer);
  const bool has_keys = !config_.layer(pass.layer).kv_source;
  if (kv.keys) {
    if (has_keys)
      backend_.ChangeRows(s.keys, [&](auto row) { RoundKeys(*kv.keys, head_dim, row); });
    backend_.ChangeRows(s.queries, [&](auto row) { RoundQueries(*kv.keys, head_dim, row); });
  }
  if (kv.values && has_keys) {
    backend_.ChangeRows(s.values, [&](auto row) { RoundValues(*kv.values, head_dim, row); });
  }
}

// Keys and values of each sequence: this layer's, or those that an earlier one left in the cache or
// in rows of the stream. This layer's own are left there in turn.
std::vector<AttentionSequence> Transformer::SequencesOf(const Pass& pass) {
  Scratch& s = scratch_;
  const std::optional<size_t> earlier = config_.layer(pass.layer).kv_source;
  const size_t source = earlier.value_or(pass.layer);
  const auto in_stream = [&](auto stream, ColumnRange columns) {
    return stream.Cols(columns.begin, columns.end);
  };
  ConstDeviceView new_keys = s.keys, new_values = s.values;
  std::vector<Backend::Move> kept;
  if (earlier && pass.cache == nullptr) {
    new_keys = in_stream(pass.stream, stream_.keys(source));
    new_values = in_stream(pass.stream, stream_.values(source));
  } else if (pass.cache == nullptr && pass.kept.rows > 0 && stream_.keys(source).size() > 0) {
    kept.push_back({new_keys, in_stream(pass.kept, stream_.keys(source))});
    kept.push_back({new_values, in_stream(pass.kept, stream_.values(source))});
  }
  std::vector<AttentionSequence> sequences;
  for (size_t i = 0; i < pass.batch.sequences().size(); ++i) {
    if (!pass.batch.before(i).empty()) continue;  // AttendBranches
    const RowRange rows = pass.batch.sequences()[i];
    const size_t first = pass.batch.first_position(i);
    AttentionSequence& sequence = sequences.emplace_back(AttentionSequence{rows, first, {}, {}});
    if (pass.cache == nullptr) {
      sequence.keys = new_keys.Rows(rows.begin, rows.end);
      sequence.values = new_values.Rows(rows.begin, rows.end);
      continue;
    }
    const size_t end = first + rows.size();
    const DeviceView keys = pass.cache->Keys(pass.batch.slots()[i], source);
    const DeviceView values = pass.cache->Values(pass.batch.slots()[i], source);
    if (!earlier) {
      kept.push_back({new_keys.Rows(rows.begin, rows.end), keys.Rows(first, end)});
      kept.push_back({new_values.Rows(rows.begin, rows.end), values.Rows(first, end)});
    }
    sequence.keys = keys.Rows(0, end);
    sequence.values = values.Rows(0, end);
  }
  backend_.CopyAll(kept);
  return sequences;
}

void Transformer::Attend(const Pass& pass, size_t num_rows) {
  Scratch& s = scratch_;
  const KvRounding& kv = pass.weights.kv;
  if (kv.any()) RoundKeysAndValues(pass);
  s.heads.Resize(num_rows, config_.heads_width(pass.layer));
  AttendTo(pass, SequencesOf(pass));
  if (pass.batch.has_branches()) AttendBranches(pass);
  if (kv.values) {
    const size_t head_dim = config_.head_dim_of(pass.layer);
    backend_.ChangeRows(s.heads, [&](auto row) { TurnBack(*kv.values, head_dim, row); });
  }
}

AttentionShape Transformer::ShapeOfAttention(const Pass& pass) const {
  const LayerSpec layer = config_.layer(pass.layer);
  return {.num_heads = config_.num_heads,
          .num_kv_heads = config_.kv_heads_of(pass.layer),
          .head_dim = config_.head_dim_of(pass.layer),
          .scale = static_cast<float>(config_.attention_scale),
          .softcap = static_cast<float>(config_.attention_softcap),
          .window = layer.window,
          .chunk = layer.chunk,
          .sinks = pass.weights.part(Kept::kSinks),
          .value_dim = config_.value_dim};
}

void Transformer::AttendTo(const Pass& pass, std::span<const AttentionSequence> sequences) {
  Scratch& s = scratch_;
  const AttentionShape shape = ShapeOfAttention(pass);
  if (pass.weights.execution == Execution::Kind::kFp16Emulation) {
    backend_.AttentionInFp16(shape, s.queries, sequences, s.heads);
  } else {
    backend_.Attention(shape, s.queries, sequences, s.heads);
  }
}

void Transformer::AttendBranches(const Pass& pass) {
  constexpr size_t kMostKeys = 4096;  // gathered at once, but for one sequence that has more
  Scratch& s = scratch_;
  const Batch& batch = pass.batch;
  BITLOSS_CHECK(pass.cache == nullptr && !config_.layer(pass.layer).kv_source);
  for (size_t i = 0; i < batch.sequences().size();) {
    std::vector<size_t> members;
    size_t num_keys = 0;
    for (; i < batch.sequences().size(); ++i) {
      if (batch.before(i).empty()) continue;
      const size_t more = batch.first_position(i) + batch.sequences()[i].size();
      if (!members.empty() && num_keys + more > kMostKeys) break;
      members.push_back(i);
      num_keys += more;
    }
    if (members.empty()) return;
    s.whole_keys.Resize(num_keys, s.keys.cols());
    s.whole_values.Resize(num_keys, s.values.cols());
    AttendTo(pass, GatherBranches(batch, members));
  }
}

std::vector<AttentionSequence> Transformer::GatherBranches(const Batch& batch,
                                                           std::span<const size_t> members) {
  Scratch& s = scratch_;
  std::vector<AttentionSequence> sequences;
  std::vector<Backend::Move> moves;
  size_t to = 0;
  const auto gather = [&](RowRange rows) {
    const size_t end = to + rows.size();
    moves.push_back({s.keys.view().Rows(rows.begin, rows.end), s.whole_keys.view().Rows(to, end)});
    moves.push_back(
        {s.values.view().Rows(rows.begin, rows.end), s.whole_values.view().Rows(to, end)});
    to = end;
  };
  for (const size_t member : members) {
    const size_t begin = to;
    for (const RowRange rows : batch.before(member)) gather(rows);
    gather(batch.sequences()[member]);
    sequences.push_back({batch.sequences()[member], batch.first_position(member),
                         s.whole_keys.view().Rows(begin, to),
                         s.whole_values.view().Rows(begin, to)});
  }
  backend_.CopyAll(moves);
  return sequences;
}

void Transformer::FeedForward(const Pass& pass, ConstDeviceView input, ConstDeviceView x,
                              Tensor& delta) {
  if (HasExpertsBeside(*pass.weights.plan)) return FeedForwardBeside(pass, input, x, delta);
  if (pass.weights.plan->experts.empty()) {
    RunMlp(pass, *pass.weights.plan->mlp, pass.batch.sequences(), input, delta);
  } else {
    RunExperts(pass, input, x, delta);
  }
  if (pass.tap != nullptr) pass.tap->AfterPart(BlockPart::kMlp, {input}, delta);
}

// delta = n1(mlp(input)) + n2(experts(n(x))).
void Transformer::FeedForwardBeside(const Pass& pass, ConstDeviceView input, ConstDeviceView x,
                                    Tensor& delta) {
  Scratch& s = scratch_;
  RunMlp(pass, *pass.weights.plan->mlp, pass.batch.sequences(), input, delta);
  if (pass.tap != nullptr) pass.tap->AfterPart(BlockPart::kMlp, {input}, delta);
  const auto norm = [&](Kept kept, ConstDeviceView from, DeviceView to) {
    Norm(config_.norm_kind, from, pass.weights.part(kept), config_.rms_norm_eps, to);
  };
  norm(Kept::kPostDenseNorm, delta, delta);
  s.normed.Resize(x.rows, x.cols);
  norm(Kept::kPreExpertsNorm, x, s.normed);
  RunExperts(pass, s.normed, x, s.parallel);
  if (pass.tap != nullptr) pass.tap->AfterPart(BlockPart::kExperts, {s.normed, x}, s.parallel);
  norm(Kept::kPostExpertsNorm, s.parallel, s.parallel);
  backend_.Add(s.parallel, delta);
}

// delta = down(activation(gate, up)) of `input`.
void Transformer::RunMlp(const Pass& pass, const MlpPlaces& mlp, std::span<const RowRange> calls,
                         ConstDeviceView input, Tensor& delta) {
  Scratch& s = scratch_;
  if (mlp.gate) {
    const LinearOutput both[] = {{*mlp.gate, &s.gate}, {mlp.up, &s.activated}};
    Multiply(pass, both, calls, input);
    const std::optional<double> cutoff = config_.layer(pass.layer).gate_cutoff;
    if (cutoff) CutGates(*cutoff, s.gate);
    backend_.Gate(config_.activation, s.gate, s.activated, s.activated);
  } else {
    const LinearOutput up{mlp.up, &s.activated};
    Multiply(pass, {&up, 1}, calls, input);
    backend_.Gate(config_.activation, {}, s.activated, s.activated);
  }
  const LinearOutput down{mlp.down, &delta};
  Multiply(pass, {&down, 1}, calls, s.activated);
}

Routing Transformer::RouteRows(const Pass& pass, ConstDeviceView input) {
  Scratch& s = scratch_;
  const ExpertsSpec& experts = *config_.experts;
  s.routed.Resize(input.rows, experts.count);
  backend_.MatMul(pass.weights.matrix(Kept::kRouter), pass.weights.part(Kept::kRouterBias), input,
                  pass.batch.sequences(), s.routed);
  Matrix logits, bias, scale;
  const auto on_host = [&](Kept kept, Matrix& staging) {
    const ConstDeviceView part = pass.weights.part(kept);
    return part.rows > 0 ? backend_.OnHost(part, staging).Row(0) : std::span<const float>();
  };
  return Route(experts, backend_.OnHost(s.routed, logits), on_host(Kept::kSelectionBias, bias),
               on_host(Kept::kExpertScale, scale));
}

// Rows are grouped by expert, and experts add to a token in ascending order.
void Transformer::RunExperts(const Pass& pass, ConstDeviceView input, ConstDeviceView x,
                             Tensor& delta) {
  Scratch& s = scratch_;
  const ExpertsSpec& experts = *config_.experts;
  ConstDeviceView router_input = input;
  if (experts.router.reads_stream) {
    s.router_input.Resize(x.rows, x.cols);
    backend_.RmsNorm(x, pass.weights.part(Kept::kRouterScale),
                     static_cast<float>(config_.rms_norm_eps), s.router_input);
    backend_.Scale(1.0f / std::sqrt(static_cast<float>(x.cols)), s.router_input);
    router_input = s.router_input;
  }
  const Routing routing = RouteRows(pass, router_input);
  if (watch_ != nullptr) watch_->Chosen(pass.layer, pass.first_row, routing);
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

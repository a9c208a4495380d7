// Softmax attention of a block: heads normed and turned, keys and values cached, rows attended to.
#include <algorithm>
#include <cmath>

#include "bitloss/model/transformer.h"

namespace bitloss {
namespace {

// The weight of a norm that has none.
ConstDeviceView Ones(const Tensor& ones, size_t count) {
  return {ones.view().data, 1, count, count};
}

}  // namespace

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

}  // namespace bitloss

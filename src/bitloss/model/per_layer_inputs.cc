// What every layer of some models is told of a token besides the stream (Gemma 3n and 4): a row of
// a table of the tokens and a projection of their embeddings, made once, of which each layer adds
// its own part at its end.
#include <cmath>

#include "bitloss/model/transformer.h"

namespace bitloss {

// p = (t sqrt(width) + norm(W e hidden_size^-1/2)) / sqrt(2), normed by layer; t the tokens' rows,
// e their embeddings as the stream has them.
void Transformer::EmbedPerLayer(const LaneWeights& lane, const Batch& batch,
                                DeviceView stream) const {
  const PerLayerInputSpec& spec = *config_.per_layer_input;
  const ColumnRange columns = stream_.per_layer();
  const size_t step = backend_.work_sizes().layer_tokens;
  Tensor of_tokens(backend_.memory());
  Tensor projected(backend_.memory());
  for (size_t begin = 0; begin < stream.rows; begin += step) {
    const size_t end = std::min(stream.rows, begin + step);
    const DeviceView rows = stream.Rows(begin, end);
    std::vector<int32_t> ids;
    for (const int32_t token : batch.tokens().subspan(begin, end - begin)) {
      ids.push_back(static_cast<size_t>(token) < spec.vocab_size ? token : 0);
    }
    of_tokens.Resize(rows.rows, columns.size());
    backend_.Embed(lane.per_layer->table, ids, of_tokens);
    backend_.Scale(std::sqrt(static_cast<float>(spec.width)), of_tokens);

    projected.Resize(rows.rows, columns.size());
    const RowRange all{0, rows.rows};
    backend_.MatMul(*lane.per_layer->projection, {}, rows.Cols(0, config_.hidden_size), {&all, 1},
                    projected);
    backend_.Scale(1.0f / std::sqrt(static_cast<float>(config_.hidden_size)), projected);
    const DeviceView by_layer = ByHead(projected, spec.width);
    backend_.RmsNorm(by_layer, lane.per_layer->norm, static_cast<float>(config_.rms_norm_eps),
                     by_layer);
    backend_.Add(of_tokens, projected);
    backend_.Scale(std::sqrt(0.5f), projected);
    backend_.Copy(projected, rows.Cols(columns.begin, columns.end));
  }
}

// to = norm(W' (activation(W from) * p)).
void Transformer::PerLayerOutput(const Pass& pass, ConstDeviceView from, Tensor& to) {
  Tensor& gate = scratch_.per_layer;
  const ColumnRange columns = stream_.per_layer(pass.layer);
  const std::span<const RowRange> calls = pass.batch.sequences();
  gate.Resize(from.rows, columns.size());
  backend_.MatMul(pass.weights.matrix(Kept::kPerLayerGate), {}, from, calls, gate);
  backend_.Gate(config_.activation, gate, pass.stream.Cols(columns.begin, columns.end), gate);
  to.Resize(from.rows, config_.hidden_size);
  backend_.MatMul(pass.weights.matrix(Kept::kPerLayerProjection), {}, gate, calls, to);
  Norm(config_.norm_kind, to, pass.weights.part(Kept::kPostPerLayerNorm), config_.rms_norm_eps, to);
}

}  // namespace bitloss

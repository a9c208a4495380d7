#include "bitloss/model/observed.h"

#include <algorithm>
#include <cmath>

namespace bitloss {

const Matrix& Observed::InputOf(Linear linear) const {
  switch (linear) {
    case Linear::kQuery:
    case Linear::kKey:
    case Linear::kValue:
      return attention_input;
    case Linear::kOutput:
      return heads;
    case Linear::kGate:
    case Linear::kUp:
      return feed_forward_input;
    case Linear::kDown:
      return activated;
  }
  return activated;
}

Observed Observe(Transformer& transformer, const LayerWeights& weights, size_t layer,
                 const Batch& batch, ConstDeviceView inputs) {
  const Backend& backend = transformer.backend();
  const auto eps = static_cast<float>(transformer.config().rms_norm_eps);
  Observed seen;
  Tensor x(backend.memory(), inputs.rows, inputs.cols);
  Tensor normed(backend.memory(), inputs.rows, inputs.cols);
  Tensor delta(backend.memory());
  backend.Copy(inputs, x);

  backend.RmsNorm(x, weights.input_norm, eps, normed);
  transformer.SelfAttention(weights, layer, batch, nullptr, normed, delta);
  seen.attention_input = backend.ToMatrix(normed);
  seen.attention_output = backend.ToMatrix(delta);
  seen.heads = backend.ToMatrix(transformer.scratch().heads);
  backend.Add(delta, x);

  backend.RmsNorm(x, weights.post_attention_norm, eps, normed);
  transformer.FeedForward(weights, batch, normed, delta);
  seen.feed_forward_input = backend.ToMatrix(normed);
  seen.feed_forward_output = backend.ToMatrix(delta);
  seen.activated = backend.ToMatrix(transformer.scratch().activated);
  return seen;
}

std::vector<float> MeanSquares(ConstMatrixView x) {
  std::vector<double> sums(x.cols);
  for (size_t row = 0; row < x.rows; ++row) {
    const std::span<const float> values = x.Row(row);
    for (size_t i = 0; i < values.size(); ++i) sums[i] += double{values[i]} * double{values[i]};
  }
  std::vector<float> means;
  for (const double sum : sums) means.push_back(static_cast<float>(sum / double(x.rows)));
  return means;
}

std::vector<float> ColumnMaxima(ConstMatrixView x) {
  std::vector<float> maxima(x.cols);
  for (size_t row = 0; row < x.rows; ++row) {
    const std::span<const float> values = x.Row(row);
    for (size_t i = 0; i < values.size(); ++i) maxima[i] = std::max(maxima[i], std::abs(values[i]));
  }
  return maxima;
}

Matrix CopyOf(ConstMatrixView from) {
  Matrix copy(from.rows, from.cols);
  for (size_t row = 0; row < from.rows; ++row) {
    std::ranges::copy(from.Row(row), copy.Row(row).begin());
  }
  return copy;
}

LayerSource CopyOf(const LayerSource& from) {
  LayerSource copy{.input_norm = from.input_norm,
                   .post_attention_norm = from.post_attention_norm,
                   .weights = {},
                   .biases = from.biases};
  for (const Linear linear : kAllLinears) copy.weight(linear) = CopyOf(from.weight(linear));
  return copy;
}

}  // namespace bitloss

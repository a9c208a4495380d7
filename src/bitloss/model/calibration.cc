#include "bitloss/model/calibration.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "bitloss/base/sum.h"
#include "bitloss/model/observed.h"
#include "bitloss/quant/fit/awq.h"

namespace bitloss {
namespace {

// Rows are added up one by one and then together, so the order does not depend on threads.
double MeanSquaredDifference(ConstMatrixView a, ConstMatrixView b) {
  Sum total;
  for (size_t row = 0; row < a.rows; ++row) {
    const std::span<const float> x = a.Row(row);
    const std::span<const float> y = b.Row(row);
    double sum = 0.0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double difference = double{x[i]} - double{y[i]};
      sum += difference * difference;
    }
    total.Add(sum);
  }
  return total.Total() / static_cast<double>(a.rows * a.cols);
}

// The scales of each group of linears that share an input.
struct BlockScales {
  std::vector<float> attention_input;
  std::optional<std::vector<float>> heads;  // only where v_proj can absorb them
  std::vector<float> feed_forward_input;
  std::vector<float> activated;
};

// Searches one block's scales. Weights are the original ones throughout.
class ScaleSearch {
 public:
  ScaleSearch(Transformer& transformer, const LayerSource& source, LayerWeights weights,
              size_t layer, const Batch& batch, const Observed& seen, const Format& format)
      : transformer_(transformer),
        source_(source),
        weights_(std::move(weights)),
        layer_(layer),
        batch_(batch),
        seen_(seen),
        format_(format) {}

  Result<BlockScales> Run() {
    BlockScales scales;
    BITLOSS_TRY(scales.attention_input, SearchAttentionInput());
    if (OutputScalesHaveAPlace()) {
      BITLOSS_TRY(scales.heads, SearchAlone(Linear::kOutput, seen_.heads));
    }
    BITLOSS_TRY(scales.feed_forward_input, SearchFeedForwardInput());
    BITLOSS_TRY(scales.activated, SearchAlone(Linear::kDown, seen_.activated));
    return scales;
  }

 private:
  ThreadPool& threads() const { return transformer_.backend().threads(); }

  // With grouped queries a row of v_proj feeds several columns of o_proj; AutoAWQ goes by shapes.
  bool OutputScalesHaveAPlace() const {
    const Matrix& value = source_.weight(Linear::kValue);
    const Matrix& output = source_.weight(Linear::kOutput);
    return value.rows() == output.rows() && value.cols() == output.cols();
  }

  // Puts candidates in the place of the block's own weights.
  Status Replace(std::span<const Linear> linears, std::span<const Matrix> candidates) {
    for (size_t i = 0; i < linears.size(); ++i) {
      BITLOSS_TRY(const EncodedMatrix encoded, F32Format().encode(F32Format(), candidates[i]));
      BITLOSS_TRY(weights_.linears[static_cast<size_t>(linears[i])],
                  transformer_.backend().Pack(encoded, Execution{}));
    }
    return Ok();
  }

  Result<std::vector<float>> Search(std::span<const Linear> linears, ConstMatrixView x,
                                    const CandidateLoss& loss) {
    std::vector<ConstMatrixView> weights;
    for (const Linear linear : linears) weights.push_back(source_.weight(linear));
    auto choice = SearchScale(format_, weights, ActivationMeans(x), loss, threads());
    if (!choice.ok()) return Within(ModuleName(linears[0]), choice.error());
    return std::move(choice.value().scales);
  }

  Result<std::vector<float>> SearchAttentionInput() {
    constexpr std::array kLinears = {Linear::kQuery, Linear::kKey, Linear::kValue};
    Matrix output;
    return Search(kLinears, seen_.attention_input,
                  [&](std::span<const Matrix> candidates) -> Result<double> {
                    BITLOSS_DO(Replace(kLinears, candidates));
                    transformer_.SelfAttention(weights_, layer_, batch_, nullptr,
                                               seen_.attention_input, output);
                    return MeanSquaredDifference(output, seen_.attention_output);
                  });
  }

  Result<std::vector<float>> SearchFeedForwardInput() {
    constexpr std::array kLinears = {Linear::kGate, Linear::kUp};
    Matrix output;
    return Search(kLinears, seen_.feed_forward_input,
                  [&](std::span<const Matrix> candidates) -> Result<double> {
                    BITLOSS_DO(Replace(kLinears, candidates));
                    transformer_.FeedForward(weights_, batch_, seen_.feed_forward_input, output);
                    return MeanSquaredDifference(output, seen_.feed_forward_output);
                  });
  }

  // A linear whose own output is the loss.
  Result<std::vector<float>> SearchAlone(Linear linear, ConstMatrixView x) {
    const Gram gram = MakeGram(x, threads());
    return Search({&linear, 1}, x, [&](std::span<const Matrix> candidates) -> Result<double> {
      return LinearLoss(gram, source_.weight(linear), candidates[0], threads());
    });
  }

  Transformer& transformer_;
  const LayerSource& source_;
  LayerWeights weights_;  // the block's own, but for the candidates
  size_t layer_;
  const Batch& batch_;
  const Observed& seen_;
  const Format& format_;
};

void MultiplyColumns(Matrix& weights, std::span<const float> scales) {
  for (size_t row = 0; row < weights.rows(); ++row) {
    const std::span<float> w = weights.Row(row);
    for (size_t i = 0; i < w.size(); ++i) w[i] *= scales[i];
  }
}

void DivideColumns(Matrix& x, std::span<const float> scales) {
  for (size_t row = 0; row < x.rows(); ++row) {
    const std::span<float> values = x.Row(row);
    for (size_t i = 0; i < values.size(); ++i) values[i] /= scales[i];
  }
}

void DivideRows(Matrix& weights, std::span<const float> scales) {
  for (size_t row = 0; row < weights.rows(); ++row) {
    for (float& w : weights.Row(row)) w /= scales[row];
  }
}

// Norms and biases are stored in FP16, so that is what they become.
Status DivideStored(std::string_view name, std::span<const float> scales, std::span<float> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    const float divided = ThroughF16(values[i] / scales[i]);
    if (!std::isfinite(divided)) {
      return Unsupported("{}: element {}, {} / {}, is beyond the range of FP16", name, i, values[i],
                         scales[i]);
    }
    values[i] = divided;
  }
  return Ok();
}

// Scales `consumers` up and their input down: the input is `made_by` norm weights.
Status ApplyThroughNorm(std::string_view name, std::span<const float> scales,
                        std::span<const Linear> consumers, std::span<float> made_by,
                        LayerSource& block) {
  for (const Linear linear : consumers) MultiplyColumns(block.weight(linear), scales);
  return DivideStored(name, scales, made_by);
}

// The same where the input is made by the rows of a linear.
Status ApplyThroughLinear(Linear made_by, std::span<const float> scales, Linear consumer,
                          LayerSource& block) {
  MultiplyColumns(block.weight(consumer), scales);
  DivideRows(block.weight(made_by), scales);
  return DivideStored(ModuleName(made_by), scales, block.bias(made_by));
}

// Applies the scales to the block and to the inputs that its linears see.
Status Apply(const BlockScales& scales, LayerSource& block, Observed& seen) {
  constexpr std::array kAttention = {Linear::kQuery, Linear::kKey, Linear::kValue};
  constexpr std::array kFeedForward = {Linear::kGate, Linear::kUp};
  BITLOSS_DO(ApplyThroughNorm("input_layernorm", scales.attention_input, kAttention,
                              block.input_norm, block));
  DivideColumns(seen.attention_input, scales.attention_input);
  if (scales.heads) {
    BITLOSS_DO(ApplyThroughLinear(Linear::kValue, *scales.heads, Linear::kOutput, block));
    DivideColumns(seen.heads, *scales.heads);
  }
  BITLOSS_DO(ApplyThroughNorm("post_attention_layernorm", scales.feed_forward_input, kFeedForward,
                              block.post_attention_norm, block));
  DivideColumns(seen.feed_forward_input, scales.feed_forward_input);
  BITLOSS_DO(ApplyThroughLinear(Linear::kUp, scales.activated, Linear::kDown, block));
  DivideColumns(seen.activated, scales.activated);
  return Ok();
}

// SmoothQuant's scales of the inputs of `consumers`, whose largest magnitudes are `maxima`.
std::vector<float> SmoothingScales(const LayerSource& block, std::span<const Linear> consumers,
                                   std::span<const float> maxima, double strength) {
  std::vector<float> largest(maxima.size());
  for (const Linear linear : consumers) {
    const std::vector<float> of_linear = ColumnMaxima(block.weight(linear));
    for (size_t i = 0; i < largest.size(); ++i) largest[i] = std::max(largest[i], of_linear[i]);
  }
  std::vector<float> scales(maxima.size());
  for (size_t i = 0; i < scales.size(); ++i) {
    const double weight = std::max(double{largest[i]}, 1e-5);
    const double scale = std::pow(double{maxima[i]}, strength) / std::pow(weight, 1.0 - strength);
    scales[i] = static_cast<float>(std::max(scale, 1e-5));
  }
  return scales;
}

// Queries and keys are left alone, as in AutoAWQ: their products, not they, are the output.
Status Clip(const Format& format, const Observed& seen, ThreadPool& threads, LayerSource& block) {
  const std::pair<Linear, const Matrix*> clipped[] = {{Linear::kValue, &seen.attention_input},
                                                      {Linear::kOutput, &seen.heads},
                                                      {Linear::kGate, &seen.feed_forward_input},
                                                      {Linear::kUp, &seen.feed_forward_input},
                                                      {Linear::kDown, &seen.activated}};
  for (const auto& [linear, x] : clipped) {
    const Status status = ClipGroups(format, *x, threads, block.weight(linear));
    if (!status.ok()) return Within(ModuleName(linear), status.error());
  }
  return Ok();
}

}  // namespace

Result<LayerSource> FitLayerAwq(Transformer& transformer, const LayerSource& source, size_t layer,
                                const Batch& batch, ConstMatrixView inputs, const Format& format) {
  const Backend& backend = transformer.backend();
  LaneSize unused;
  BITLOSS_TRY(LayerWeights weights, PackLayer(source, F16Format(), Execution{}, backend, unused));
  Observed seen = Observe(transformer, weights, layer, batch, inputs);
  BITLOSS_TRY(
      const BlockScales scales,
      ScaleSearch(transformer, source, std::move(weights), layer, batch, seen, format).Run());
  LayerSource fitted = CopyOf(source);
  BITLOSS_DO(Apply(scales, fitted, seen));
  BITLOSS_DO(Clip(format, seen, backend.threads(), fitted));
  return fitted;
}

Result<LayerSource> FitLayerSmoothQuant(const LayerSource& source, double strength,
                                        Observed& seen) {
  constexpr std::array kAttention = {Linear::kQuery, Linear::kKey, Linear::kValue};
  constexpr std::array kFeedForward = {Linear::kGate, Linear::kUp};
  const std::vector<float> attention =
      SmoothingScales(source, kAttention, ColumnMaxima(seen.attention_input), strength);
  const std::vector<float> feed_forward =
      SmoothingScales(source, kFeedForward, ColumnMaxima(seen.feed_forward_input), strength);
  LayerSource fitted = CopyOf(source);
  BITLOSS_DO(ApplyThroughNorm("input_layernorm", attention, kAttention, fitted.input_norm, fitted));
  BITLOSS_DO(ApplyThroughNorm("post_attention_layernorm", feed_forward, kFeedForward,
                              fitted.post_attention_norm, fitted));
  DivideColumns(seen.attention_input, attention);
  DivideColumns(seen.feed_forward_input, feed_forward);
  return fitted;
}

}  // namespace bitloss

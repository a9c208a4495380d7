#include "bitloss/model/calibration.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "bitloss/base/sum.h"
#include "bitloss/model/observed.h"
#include "bitloss/quant/fit/awq.h"

namespace bitloss {
namespace {

// The mean of squared differences between a part of a block's output and the baseline's, row by row
// of `expected`. Rows are added up one by one and then together, so the order does not depend on
// threads.
class OutputLoss {
 public:
  OutputLoss(ConstMatrixView expected, ThreadPool& threads)
      : expected_(expected), threads_(threads) {}

  // The next rows of the output.
  void Add(ConstMatrixView output) {
    std::vector<double> sums(output.rows);
    const ConstMatrixView expected = expected_.Rows(num_rows_, num_rows_ + output.rows);
    threads_.ForEachPart((output.rows + kRowsOfPart - 1) / kRowsOfPart, [&](size_t part, size_t) {
      const size_t end = std::min(output.rows, (part + 1) * kRowsOfPart);
      size_t row = part * kRowsOfPart;
      for (; row + kRowsAtOnce <= end; row += kRowsAtOnce) {
        SumRows<kRowsAtOnce>(output, expected, row, sums);
      }
      for (; row < end; ++row) SumRows<1>(output, expected, row, sums);
    });
    for (const double sum : sums) total_.Add(sum);
    num_rows_ += output.rows;
  }

  // Of the rows so far, their differences as a share of all rows.
  double Loss() const {
    return total_.Total() / static_cast<double>(expected_.rows * expected_.cols);
  }

 private:
  static constexpr size_t kRowsOfPart = 64;
  static constexpr size_t kRowsAtOnce = 4;  // sums side by side: none waits for its last addition

  template <size_t kRows>
  static void SumRows(ConstMatrixView x, ConstMatrixView y, size_t first, std::span<double> sums) {
    std::array<double, kRows> sum{};
    for (size_t i = 0; i < x.cols; ++i) {
      for (size_t r = 0; r < kRows; ++r) {
        const double difference = double{x.Row(first + r)[i]} - double{y.Row(first + r)[i]};
        sum[r] += difference * difference;
      }
    }
    std::ranges::copy(sum, sums.begin() + static_cast<ptrdiff_t>(first));
  }

  ConstMatrixView expected_;
  ThreadPool& threads_;
  size_t num_rows_ = 0;
  Sum total_;
};

// The scales of each group of linears that share an input.
struct BlockScales {
  std::vector<float> attention_input;
  std::optional<std::vector<float>> heads;  // only where v_proj can absorb them
  std::vector<float> feed_forward_input;
  std::vector<float> activated;
};

// Sequences that go through a candidate together, before its loss is held against the best.
constexpr size_t kTokensAtOnce = 512;

// Searches one block's scales. Weights are the original ones throughout.
class ScaleSearch {
 public:
  ScaleSearch(Transformer& transformer, const LayerSource& source, LayerWeights weights,
              size_t layer, const Batch& batch, const Observed& seen, const Format& format)
      : transformer_(transformer),
        source_(source),
        weights_(std::move(weights)),
        layer_(layer),
        groups_(batch.Groups(kTokensAtOnce)),
        seen_(seen),
        format_(format),
        output_(transformer.backend().memory()) {}

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
    auto choice = SearchScale(format_, weights, ActivationMeans(x, threads()), loss, threads());
    if (!choice.ok()) return Within(ModuleName(linears[0]), choice.error());
    return std::move(choice.value().scales);
  }

  Result<std::vector<float>> SearchAttentionInput() {
    constexpr std::array kLinears = {Linear::kQuery, Linear::kKey, Linear::kValue};
    const Tensor inputs = transformer_.backend().ToTensor(seen_.attention_input);
    return Search(kLinears, seen_.attention_input,
                  [&](std::span<const Matrix> candidates, double limit) -> Result<double> {
                    BITLOSS_DO(Replace(kLinears, candidates));
                    return LossOverGroups(
                        inputs, seen_.attention_output, limit,
                        [&](const Batch& group, ConstDeviceView x, Tensor& output) {
                          transformer_.SelfAttention(weights_, layer_, group, nullptr, x, output);
                        });
                  });
  }

  Result<std::vector<float>> SearchFeedForwardInput() {
    constexpr std::array kLinears = {Linear::kGate, Linear::kUp};
    const Tensor inputs = transformer_.backend().ToTensor(seen_.feed_forward_input);
    return Search(kLinears, seen_.feed_forward_input,
                  [&](std::span<const Matrix> candidates, double limit) -> Result<double> {
                    BITLOSS_DO(Replace(kLinears, candidates));
                    return LossOverGroups(
                        inputs, seen_.feed_forward_output, limit,
                        [&](const Batch& group, ConstDeviceView x, Tensor& output) {
                          transformer_.FeedForward(weights_, group, x, output);
                        });
                  });
  }

  // What forward(group, x, output) makes of the inputs x loses against `expected`, group of
  // sequences by group, as long as that is within `limit`.
  template <class Forward>
  double LossOverGroups(ConstDeviceView inputs, ConstMatrixView expected, double limit,
                        const Forward& forward) {
    OutputLoss loss(expected, threads());
    Matrix staging;
    size_t first = 0;
    for (const Batch& group : groups_) {
      const size_t end = first + group.tokens().size();
      forward(group, inputs.Rows(first, end), output_);
      loss.Add(transformer_.backend().OnHost(output_, staging));
      if (loss.Loss() > limit) break;
      first = end;
    }
    return loss.Loss();
  }

  // A linear whose own output is the loss.
  Result<std::vector<float>> SearchAlone(Linear linear, ConstMatrixView x) {
    const Gram gram = MakeGram(x, threads());
    return Search(
        {&linear, 1}, x, [&](std::span<const Matrix> candidates, double limit) -> Result<double> {
          return LinearLoss(gram, source_.weight(linear), candidates[0], threads(), limit);
        });
  }

  Transformer& transformer_;
  const LayerSource& source_;
  LayerWeights weights_;  // the block's own, but for the candidates
  size_t layer_;
  std::vector<Batch> groups_;
  const Observed& seen_;
  const Format& format_;
  Tensor output_;
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
                                const Batch& batch, ConstDeviceView inputs, const Format& format) {
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

#include "bitloss/model/layer_fit.h"

#include <algorithm>
#include <optional>

#include "bitloss/model/calibration.h"
#include "bitloss/quant/fit/clip.h"
#include "bitloss/quant/fit/hqq.h"

namespace bitloss {
namespace {

constexpr float kMaxActivationCode = 127.0f;

// encode(linear) for every linear.
template <class Encode>
Status EncodeAll(const Encode& encode, FittedLayer& fitted) {
  for (const Linear linear : kAllLinears) {
    auto encoded = encode(linear);
    if (!encoded.ok()) return Within(ModuleName(linear), encoded.error());
    fitted.encoded[static_cast<size_t>(linear)] = std::move(encoded).value();
  }
  return Ok();
}

Status EncodeNearest(const Format& format, ThreadPool& threads, FittedLayer& fitted) {
  std::array<std::optional<Result<EncodedMatrix>>, kNumLinears> results;
  threads.ForEachPart(kNumLinears, [&](size_t i, size_t) {
    results[i] = format.encode(format, fitted.source.weights[i]);
  });
  return EncodeAll([&](Linear linear) { return std::move(*results[static_cast<size_t>(linear)]); },
                   fitted);
}

Result<EncodedMatrix> EncodeByImportance(const Format& format, ConstMatrixView weights,
                                         std::span<const float> importance, ThreadPool& threads) {
  if (format.encode_weighted != nullptr) {
    return format.encode_weighted(format, weights, importance);
  }
  return EncodeClipped(format, weights, importance, threads);
}

std::array<std::vector<float>, kNumLinears> ImportancesOf(const Observed& seen) {
  std::array<std::vector<float>, kNumLinears> importances;
  for (const Linear linear : kAllLinears) {
    importances[static_cast<size_t>(linear)] = MeanSquares(seen.InputOf(linear));
  }
  return importances;
}

// GPTQ on one block, the order of its linears that of a forward pass: what reads an input is
// rounded after everything that makes it.
class GptqLayer {
 public:
  GptqLayer(Transformer& transformer, const Scheme& scheme, size_t layer, const Batch& batch,
            LayerWeights weights, FittedLayer& fitted)
      : transformer_(transformer),
        scheme_(scheme),
        layer_(layer),
        batch_(batch),
        weights_(std::move(weights)),
        fitted_(fitted) {}

  Status Run(ConstDeviceView inputs) {
    const Backend& backend = transformer_.backend();
    const auto eps = static_cast<float>(transformer_.config().rms_norm_eps);
    Tensor x(backend.memory(), inputs.rows, inputs.cols);
    Tensor normed(backend.memory(), inputs.rows, inputs.cols);
    Tensor delta(backend.memory());
    backend.Copy(inputs, x);
    backend.RmsNorm(x, weights_.input_norm, eps, normed);
    BITLOSS_DO(Round({Linear::kQuery, Linear::kKey, Linear::kValue}, normed));
    transformer_.SelfAttention(weights_, layer_, batch_, nullptr, normed, delta);
    const Tensor& heads = transformer_.scratch().heads;
    BITLOSS_DO(Round({Linear::kOutput}, heads));
    backend.MatMul(weights_.linear(Linear::kOutput), weights_.bias(Linear::kOutput), heads,
                   batch_.sequences(), delta);
    backend.Add(delta, x);
    backend.RmsNorm(x, weights_.post_attention_norm, eps, normed);
    BITLOSS_DO(Round({Linear::kGate, Linear::kUp}, normed));
    transformer_.FeedForward(weights_, batch_, normed, delta);
    return Round({Linear::kDown}, transformer_.scratch().activated);
  }

 private:
  // Linears that read the same input.
  Status Round(std::initializer_list<Linear> linears, ConstDeviceView inputs) {
    ThreadPool& threads = transformer_.backend().threads();
    Matrix staging;
    const ConstMatrixView x = transformer_.backend().OnHost(inputs, staging);
    const auto factor = FactorGptq(MakeGram(x, threads), scheme_.gptq);
    if (!factor.ok()) return Within(ModuleName(*linears.begin()), factor.error());
    for (const Linear linear : linears) {
      auto encoded = EncodeGptq(scheme_.format, fitted_.source.weight(linear), factor.value(),
                                scheme_.gptq, threads);
      if (!encoded.ok()) return Within(ModuleName(linear), encoded.error());
      const auto index = static_cast<size_t>(linear);
      BITLOSS_TRY(weights_.linears[index],
                  transformer_.backend().Pack(encoded.value(), Execution{}));
      fitted_.encoded[index] = std::move(encoded).value();
    }
    return Ok();
  }

  Transformer& transformer_;
  const Scheme& scheme_;
  size_t layer_;
  const Batch& batch_;
  LayerWeights weights_;  // FP16, then rounded as it goes
  FittedLayer& fitted_;
};

Result<LayerWeights> PackBaseline(const LayerSource& source, const Backend& backend) {
  LaneSize unused;
  return PackLayer(source, F16Format(), Execution{}, backend, unused);
}

void FindActivationScales(const Observed& seen, FittedLayer& fitted) {
  for (const Linear linear : kAllLinears) {
    fitted.activation_scales[static_cast<size_t>(linear)] =
        std::ranges::max(ColumnMaxima(seen.InputOf(linear))) / kMaxActivationCode;
  }
}

}  // namespace

bool Calibrates(const Scheme& scheme) {
  return InfoOf(scheme.fit).needs == FitNeeds::kActivations || scheme.execution.static_activations;
}

bool FollowsItsOwnBlocks(const Scheme& scheme) { return scheme.fit == FitKind::kGptq; }

Result<FittedLayer> FitLayer(Transformer& transformer, const LayerSource& source, size_t layer,
                             const LayerInputs& inputs, const Scheme& scheme,
                             const ImportanceFile* importance) {
  const Backend& backend = transformer.backend();
  ThreadPool& threads = backend.threads();
  const Format& format = scheme.format;
  FittedLayer fitted;
  std::optional<Observed> seen;
  const bool looks_at_inputs = scheme.fit == FitKind::kSmoothQuant ||
                               scheme.execution.static_activations ||
                               (scheme.fit == FitKind::kImatrix && importance == nullptr);
  if (looks_at_inputs) {
    BITLOSS_TRY(const LayerWeights weights, PackBaseline(source, backend));
    seen = Observe(transformer, weights, layer, *inputs.batch, inputs.of_baseline);
  }
  if (scheme.fit == FitKind::kAwq) {
    BITLOSS_TRY(fitted.source,
                FitLayerAwq(transformer, source, layer, *inputs.batch, inputs.of_baseline, format));
  } else if (scheme.fit == FitKind::kSmoothQuant) {
    BITLOSS_TRY(fitted.source, FitLayerSmoothQuant(source, scheme.smoothing_strength, *seen));
  } else {
    fitted.source = CopyOf(source);
  }
  if (scheme.execution.static_activations) FindActivationScales(*seen, fitted);

  const auto weights_of = [&](Linear linear) -> const Matrix& {
    return fitted.source.weight(linear);
  };
  switch (scheme.fit) {
    case FitKind::kNearest:
    case FitKind::kNoise:  // added to the weights before
    case FitKind::kAwq:
    case FitKind::kSmoothQuant:
      BITLOSS_DO(EncodeNearest(format, threads, fitted));
      break;
    case FitKind::kMse:
      BITLOSS_DO(EncodeAll(
          [&](Linear linear) { return EncodeClipped(format, weights_of(linear), {}, threads); },
          fitted));
      break;
    case FitKind::kHqq:
      BITLOSS_DO(EncodeAll(
          [&](Linear linear) { return EncodeHqq(format, weights_of(linear), threads); }, fitted));
      break;
    case FitKind::kImatrix: {
      std::array<std::vector<float>, kNumLinears> importances;
      if (importance == nullptr) {
        importances = ImportancesOf(*seen);
      } else {
        BITLOSS_TRY(importances, importance->OfLayer(layer, source));
      }
      BITLOSS_DO(EncodeAll(
          [&](Linear linear) {
            return EncodeByImportance(format, weights_of(linear),
                                      importances[static_cast<size_t>(linear)], threads);
          },
          fitted));
      break;
    }
    case FitKind::kGptq: {
      BITLOSS_TRY(LayerWeights weights, PackBaseline(source, backend));
      BITLOSS_DO(GptqLayer(transformer, scheme, layer, *inputs.batch, std::move(weights), fitted)
                     .Run(inputs.of_lane));
      break;
    }
  }
  return fitted;
}

}  // namespace bitloss

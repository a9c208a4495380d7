#include "bitloss/model/layer_fit.h"

#include <algorithm>
#include <optional>

#include "bitloss/model/calibration.h"
#include "bitloss/model/matrix_formats.h"
#include "bitloss/quant/fit/clip.h"
#include "bitloss/quant/fit/hqq.h"
#include "bitloss/quant/formats/ggml/ggml_format.h"

namespace bitloss {
namespace {

// encode(i) for every linear.
template <class Encode>
Status EncodeAll(const Encode& encode, FittedLayer& fitted) {
  for (size_t i = 0; i < fitted.encoded.size(); ++i) {
    auto encoded = encode(i);
    if (!encoded.ok()) return Within(fitted.source.plan->linears[i].Name(), encoded.error());
    fitted.encoded[i] = std::move(encoded).value();
  }
  return Ok();
}

Status EncodeNearest(const BlockFormats& formats, ThreadPool& threads, FittedLayer& fitted) {
  std::vector<std::optional<Result<EncodedMatrix>>> results(fitted.encoded.size());
  threads.ForEachPart(results.size(), [&](size_t i, size_t) {
    const Format& format = formats[i];
    results[i] = format.encode(format, fitted.source.weights[i]);
  });
  return EncodeAll([&](size_t i) { return std::move(*results[i]); }, fitted);
}

Result<EncodedMatrix> EncodeByImportance(const Format& format, ConstMatrixView weights,
                                         std::span<const float> importance, ThreadPool& threads) {
  if (GgmlTypeOf(format) != nullptr) return EncodeGgmlRows(format, weights, importance, threads);
  if (format.encode_weighted != nullptr) {
    return format.encode_weighted(format, weights, importance);
  }
  if (format.unpack == nullptr) return format.encode(format, weights);  // no codes to choose
  return EncodeClipped(format, weights, importance, threads);
}

Result<LayerWeights> PackBaseline(const Transformer& transformer, const LayerSource& source) {
  LaneSize unused;
  return PackLayer(transformer.config(), source, source.plain, Execution{}, transformer.backend(),
                   unused);
}

std::vector<std::vector<float>> ImportancesOf(const Observed& seen, size_t num_linears) {
  std::vector<std::vector<float>> importances;
  for (size_t i = 0; i < num_linears; ++i) importances.push_back(MeanSquares(seen.InputOf(i)));
  return importances;
}

// GPTQ on one block, in the order of a forward pass: what reads an input is rounded after
// everything that makes it.
class GptqTap final : public BlockTap {
 public:
  GptqTap(const Backend& backend, const Scheme& scheme, LayerWeights& weights, FittedLayer& fitted)
      : backend_(backend), scheme_(scheme), weights_(weights), fitted_(fitted) {}

  void BeforeLinears(std::span<const size_t> linears, ConstDeviceView inputs) override {
    if (status_.ok()) status_ = Round(linears, inputs);
  }
  void AfterPart(BlockPart, const PartInput&, ConstDeviceView) override {}
  bool WantsAllRows(size_t num_rows) override { return num_rows < kFewestExpertRows; }

  const Status& status() const { return status_; }

 private:
  // Linears that read the same input.
  Status Round(std::span<const size_t> linears, ConstDeviceView inputs) {
    ThreadPool& threads = backend_.threads();
    const auto name = [&](size_t i) { return fitted_.source.plan->linears[i].Name(); };
    const auto factor = FactorGptq(backend_.SumInputs(inputs)->Take(), scheme_.gptq, threads);
    if (!factor.ok()) return Within(name(linears[0]), factor.error());
    for (const size_t i : linears) {
      auto encoded = EncodeGptq(scheme_.format, fitted_.source.weights[i], factor.value(),
                                scheme_.gptq, threads);
      if (!encoded.ok()) return Within(name(i), encoded.error());
      BITLOSS_TRY(weights_.linears[i], backend_.Pack(encoded.value(), Execution{}));
      fitted_.encoded[i] = std::move(encoded).value();
    }
    return Ok();
  }

  const Backend& backend_;
  const Scheme& scheme_;
  LayerWeights& weights_;  // FP16, then rounded as it goes
  FittedLayer& fitted_;
  Status status_;
};

Status FitGptq(Transformer& transformer, const LayerSource& source, size_t layer,
               const LayerInputs& inputs, const Scheme& scheme, FittedLayer& fitted) {
  const Backend& backend = transformer.backend();
  BITLOSS_TRY(LayerWeights weights, PackBaseline(transformer, source));
  GptqTap tap(backend, scheme, weights, fitted);
  Tensor x(backend.memory(), inputs.of_lane.rows, inputs.of_lane.cols);
  backend.Copy(inputs.of_lane, x);
  transformer.Layer(weights, layer, *inputs.batch, tap, x);
  return tap.status();
}

void FindActivationScales(const Observed& seen, const Execution& execution, FittedLayer& fitted) {
  for (size_t i = 0; i < fitted.activation_scales.size(); ++i) {
    fitted.activation_scales[i] =
        ScaleOfInputs(execution, std::ranges::max(ColumnMaxima(seen.InputOf(i))));
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
  const BlockFormats formats(scheme, transformer.config(), layer);
  FittedLayer fitted;
  std::optional<Observed> seen;
  const bool looks_at_inputs = scheme.fit == FitKind::kSmoothQuant ||
                               scheme.execution.static_activations ||
                               (scheme.fit == FitKind::kImatrix && importance == nullptr);
  if (looks_at_inputs) {
    BITLOSS_TRY(const LayerWeights weights, PackBaseline(transformer, source));
    seen = Observe(transformer, weights, layer, *inputs.batch, inputs.of_baseline);
  }
  if (scheme.fit == FitKind::kAwq) {
    BITLOSS_TRY(fitted.source,
                FitLayerAwq(transformer, source, layer, *inputs.batch, inputs.of_baseline, format));
  } else if (scheme.fit == FitKind::kSmoothQuant) {
    BITLOSS_TRY(fitted.source, FitLayerSmoothQuant(transformer.config(), source,
                                                   scheme.smoothing_strength, *seen));
  } else {
    fitted.source = CopyOf(source);
  }
  const size_t num_linears = fitted.source.weights.size();
  fitted.encoded.resize(num_linears);
  fitted.activation_scales.resize(num_linears);
  if (scheme.execution.static_activations) {
    FindActivationScales(*seen, scheme.execution, fitted);
  }

  const std::vector<Matrix>& weights = fitted.source.weights;
  switch (scheme.fit) {
    case FitKind::kNearest:
    case FitKind::kNoise:  // added to the weights before
    case FitKind::kAwq:
    case FitKind::kSmoothQuant:
      BITLOSS_DO(EncodeNearest(formats, threads, fitted));
      break;
    case FitKind::kMse:
      BITLOSS_DO(EncodeAll([&](size_t i) { return EncodeClipped(format, weights[i], {}, threads); },
                           fitted));
      break;
    case FitKind::kHqq:
      BITLOSS_DO(
          EncodeAll([&](size_t i) { return EncodeHqq(format, weights[i], threads); }, fitted));
      break;
    case FitKind::kImatrix: {
      std::vector<std::vector<float>> importances;
      if (importance == nullptr) {
        importances = ImportancesOf(*seen, num_linears);
      } else {
        BITLOSS_TRY(importances, importance->OfLayer(layer, source));
      }
      BITLOSS_DO(EncodeAll(
          [&](size_t i) {
            return EncodeByImportance(formats[i], weights[i], importances[i], threads);
          },
          fitted));
      break;
    }
    case FitKind::kGptq:
      BITLOSS_DO(FitGptq(transformer, source, layer, inputs, scheme, fitted));
      break;
  }
  return fitted;
}

}  // namespace bitloss

#include "bitloss/model/layer_fit.h"

#include <algorithm>
#include <array>
#include <optional>

#include "bitloss/model/calibration.h"
#include "bitloss/model/matrix_formats.h"
#include "bitloss/quant/fit/clip.h"
#include "bitloss/quant/fit/hqq.h"
#include "bitloss/quant/formats/ggml/ggml_format.h"

namespace bitloss {
namespace {

// What a fit works on.
struct Work {
  Transformer& transformer;
  const LayerSource& source;
  size_t layer;
  const LayerInputs& inputs;
  const Scheme& scheme;
  const BlockFormats& formats;
  const ImportanceFile* importance;  // or null
  Observed* seen;                    // of the unquantized block; null unless it was asked for

  ThreadPool& threads() const { return transformer.backend().threads(); }
};

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

Status EncodeNearest(const Work& work, FittedLayer& fitted) {
  std::vector<std::optional<Result<EncodedMatrix>>> results(fitted.encoded.size());
  work.threads().ForEachPart(results.size(), [&](size_t i, size_t) {
    const Format& format = work.formats[i];
    results[i] = format.encode(format, fitted.source.weights[i]);
  });
  return EncodeAll([&](size_t i) { return std::move(*results[i]); }, fitted);
}

Status FitNearest(const Work& work, FittedLayer& fitted) {
  fitted.source = CopyOf(work.source);
  return EncodeNearest(work, fitted);
}

Status FitAwq(const Work& work, FittedLayer& fitted) {
  BITLOSS_TRY(fitted.source,
              FitLayerAwq(work.transformer, work.source, work.layer, *work.inputs.batch,
                          work.inputs.of_baseline, work.scheme.format));
  return EncodeNearest(work, fitted);
}

Status FitSmoothQuant(const Work& work, FittedLayer& fitted) {
  BITLOSS_TRY(fitted.source,
              FitLayerSmoothQuant(work.transformer.config(), work.source,
                                  work.scheme.fit_options.smoothing_strength, *work.seen));
  return EncodeNearest(work, fitted);
}

Status FitMse(const Work& work, FittedLayer& fitted) {
  fitted.source = CopyOf(work.source);
  return EncodeAll(
      [&](size_t i) {
        return EncodeClipped(work.scheme.format, fitted.source.weights[i], {}, work.threads());
      },
      fitted);
}

Status FitHqq(const Work& work, FittedLayer& fitted) {
  fitted.source = CopyOf(work.source);
  return EncodeAll(
      [&](size_t i) {
        return EncodeHqq(work.scheme.format, fitted.source.weights[i], work.threads());
      },
      fitted);
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

// Of each linear's inputs: the file's, or the mean squares of those of the calibration.
Result<std::vector<std::vector<float>>> ImportancesOf(const Work& work) {
  if (work.importance != nullptr) return work.importance->OfLayer(work.layer, work.source);
  std::vector<std::vector<float>> importances;
  for (size_t i = 0; i < work.source.weights.size(); ++i) {
    importances.push_back(MeanSquares(work.seen->InputOf(i)));
  }
  return importances;
}

Status FitImatrix(const Work& work, FittedLayer& fitted) {
  fitted.source = CopyOf(work.source);
  BITLOSS_TRY(const std::vector<std::vector<float>> importances, ImportancesOf(work));
  return EncodeAll(
      [&](size_t i) {
        return EncodeByImportance(work.formats[i], fitted.source.weights[i], importances[i],
                                  work.threads());
      },
      fitted);
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
    const GptqOptions& options = scheme_.fit_options.gptq;
    const auto name = [&](size_t i) { return fitted_.source.plan->linears[i].Name(); };
    const auto factor = FactorGptq(backend_.SumInputs(inputs)->Take(), options, threads);
    if (!factor.ok()) return Within(name(linears[0]), factor.error());
    for (const size_t i : linears) {
      auto encoded =
          EncodeGptq(scheme_.format, fitted_.source.weights[i], factor.value(), options, threads);
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

Status FitGptq(const Work& work, FittedLayer& fitted) {
  fitted.source = CopyOf(work.source);
  const Backend& backend = work.transformer.backend();
  BITLOSS_TRY(LayerWeights weights, PackBaseline(work.transformer, work.source));
  GptqTap tap(backend, work.scheme, weights, fitted);
  const ConstDeviceView entering = work.inputs.of_lane;
  Tensor x(backend.memory(), entering.rows, entering.cols);
  backend.Copy(entering, x);
  work.transformer.Layer(weights, work.layer, *work.inputs.batch, tap, x);
  return tap.status();
}

// How each fit is done on a block.
struct LayerFit {
  FitKind kind;
  Status (*fit)(const Work& work, FittedLayer& fitted);
  // Of what enters the linears of the unquantized block: nothing is wanted, or what a file of
  // importances does not say, or all.
  enum class Wants { kNoInputs, kInputsWithoutFile, kInputs } wants = Wants::kNoInputs;
};

constexpr std::array kLayerFits = {
    LayerFit{FitKind::kNearest, FitNearest},
    LayerFit{FitKind::kMse, FitMse},
    LayerFit{FitKind::kHqq, FitHqq},
    LayerFit{FitKind::kImatrix, FitImatrix, LayerFit::Wants::kInputsWithoutFile},
    LayerFit{FitKind::kAwq, FitAwq},
    LayerFit{FitKind::kNoise, FitNearest},  // added to the weights before
    LayerFit{FitKind::kGptq, FitGptq},
    LayerFit{FitKind::kSmoothQuant, FitSmoothQuant, LayerFit::Wants::kInputs},
};

bool WantsInputs(const LayerFit& fit, const Scheme& scheme, const ImportanceFile* importance) {
  return scheme.execution.static_activations || fit.wants == LayerFit::Wants::kInputs ||
         (fit.wants == LayerFit::Wants::kInputsWithoutFile && importance == nullptr);
}

void FindActivationScales(const Observed& seen, const Execution& execution, FittedLayer& fitted) {
  for (size_t i = 0; i < fitted.activation_scales.size(); ++i) {
    fitted.activation_scales[i] =
        ScaleOfInputs(execution, std::ranges::max(ColumnMaxima(seen.InputOf(i))));
  }
}

}  // namespace

bool Calibrates(const Scheme& scheme) {
  return InfoOf(scheme.fit).needs != FitNeeds::kNothing || scheme.execution.static_activations;
}

bool FollowsItsOwnBlocks(const Scheme& scheme) {
  return InfoOf(scheme.fit).needs == FitNeeds::kOwnActivations;
}

Result<FittedLayer> FitLayer(Transformer& transformer, const LayerSource& source, size_t layer,
                             const LayerInputs& inputs, const Scheme& scheme,
                             const ImportanceFile* importance) {
  const auto fit = std::ranges::find(kLayerFits, scheme.fit, &LayerFit::kind);
  BITLOSS_CHECK(fit != kLayerFits.end());
  const BlockFormats formats(scheme, transformer.config(), layer);
  FittedLayer fitted;
  fitted.encoded.resize(source.weights.size());
  fitted.activation_scales.resize(source.weights.size());
  std::optional<Observed> seen;
  if (WantsInputs(*fit, scheme, importance)) {
    BITLOSS_TRY(const LayerWeights weights, PackBaseline(transformer, source));
    seen = Observe(transformer, weights, layer, *inputs.batch, inputs.of_baseline);
  }
  if (scheme.execution.static_activations) {
    FindActivationScales(*seen, scheme.execution, fitted);
  }
  const Work work = {transformer, source,  layer,      inputs,
                     scheme,      formats, importance, seen ? &*seen : nullptr};
  BITLOSS_DO(fit->fit(work, fitted));
  return fitted;
}

}  // namespace bitloss

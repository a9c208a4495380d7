#include "bitloss/model/calibration.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <optional>

#include "bitloss/base/sum.h"
#include "bitloss/model/observed.h"
#include "bitloss/quant/fit/awq.h"
#include "bitloss/quant/formats/f32/f32.h"
#include "bitloss/quant/formats/planes.h"

namespace bitloss {
namespace {

// The mean of squared differences between a part of a block's output and the baseline's. Rows are
// added up one by one and then together, so the order does not depend on threads.
class OutputLoss {
 public:
  OutputLoss(ConstDeviceView expected, const Backend& backend)
      : expected_(expected), backend_(backend) {}

  // The next rows of the output.
  void Add(ConstDeviceView output) {
    const size_t end = num_rows_ + output.rows;
    for (const double sum : backend_.SquaredDistances(output, expected_.Rows(num_rows_, end))) {
      total_.Add(sum);
    }
    num_rows_ = end;
  }

  // Of the rows so far, their differences as a share of all rows.
  double Loss() const {
    return total_.Total() / static_cast<double>(expected_.rows * expected_.cols);
  }

 private:
  ConstDeviceView expected_;
  const Backend& backend_;
  size_t num_rows_ = 0;
  Sum total_;
};

// Whether each part has a norm of its own before it.
bool NormsBeforeParts(const ModelConfig& config) {
  return config.norm_placement == NormPlacement::kBefore ||
         config.norm_placement == NormPlacement::kAround;
}

// Whether the norm before a part can absorb a scale: not where what it makes is added to the stream
// as well.
bool AbsorbsScales(const ModelConfig& config, BlockPart part) {
  return NormsBeforeParts(config) && !(config.altup && part == BlockPart::kAttention);
}

BlockPart PartOf(const LayerPlan& plan, Unit unit) {
  if (MixesTokens(unit)) return BlockPart::kAttention;
  return unit == Unit::kExpert && HasExpertsBeside(plan) ? BlockPart::kExperts : BlockPart::kMlp;
}

std::vector<BlockPart> PartsOf(const LayerPlan& plan) {
  std::vector<BlockPart> parts = {BlockPart::kAttention, BlockPart::kMlp};
  if (HasExpertsBeside(plan)) parts.push_back(BlockPart::kExperts);
  return parts;
}

// The norm that makes what enters a part.
Kept NormOf(BlockPart part) {
  switch (part) {
    case BlockPart::kAttention:
      return Kept::kPreAttentionNorm;
    case BlockPart::kMlp:
      return Kept::kPreMlpNorm;
    case BlockPart::kExperts:
      return Kept::kPreExpertsNorm;
  }
  return Kept::kPreMlpNorm;
}

// Linears that read what enters a part.
std::vector<size_t> ReadersOf(const LayerPlan& plan, BlockPart part) {
  std::vector<size_t> readers;
  for (size_t i = 0; i < plan.linears.size(); ++i) {
    const LinearSpec& linear = plan.linears[i];
    if (PartOf(plan, linear.unit) == part && ReadsInput(linear.kind)) readers.push_back(i);
  }
  return readers;
}

// Every gated unit: the dense one or the shared expert, and experts.
std::vector<MlpPlaces> UnitsOf(const LayerPlan& plan) {
  std::vector<MlpPlaces> units;
  if (plan.mlp) units.push_back(*plan.mlp);
  units.insert(units.end(), plan.experts.begin(), plan.experts.end());
  return units;
}

// Linears that read a narrow form of latent attention, and the norm that makes it.
struct NarrowReaders {
  Kept norm;
  std::vector<size_t> linears;
};

std::vector<NarrowReaders> NarrowReadersOf(const LayerPlan& plan) {
  std::vector<NarrowReaders> readers;
  if (plan.Has(Kept::kQueryDownNorm)) {
    readers.push_back({Kept::kQueryDownNorm, {plan.At(Linear::kQueryUp)}});
  }
  if (plan.Has(Kept::kKeyValueDownNorm)) {
    readers.push_back(
        {Kept::kKeyValueDownNorm, {plan.At(Linear::kKeyUp), plan.At(Linear::kValueUp)}});
  }
  return readers;
}

// Which part's input a kept matrix reads; none if it is no matrix, or reads the stream itself.
std::optional<BlockPart> ReaderOf(const LayerPlan& plan, Kept kept) {
  switch (kept) {
    case Kept::kOutputGate:
    case Kept::kDecayInput:
    case Kept::kRateInput:
      return BlockPart::kAttention;
    case Kept::kSharedGate:
      return BlockPart::kMlp;
    case Kept::kRouter:
      if (plan.Has(Kept::kRouterScale)) return std::nullopt;
      return BlockPart::kMlp;
    default:
      return std::nullopt;
  }
}

// The scales of each group of linears that share an input; none where nothing can absorb them.
struct BlockScales {
  std::array<std::optional<std::vector<float>>, kNumBlockParts> inputs;  // by BlockPart
  std::vector<std::vector<float>> narrow;                                // of NarrowReadersOf
  std::optional<std::vector<float>> heads;    // only where v_proj can absorb them
  std::vector<std::vector<float>> activated;  // of each unit, or none

  std::optional<std::vector<float>>& input(BlockPart part) {
    return inputs[static_cast<size_t>(part)];
  }
  const std::optional<std::vector<float>>& input(BlockPart part) const {
    return inputs[static_cast<size_t>(part)];
  }
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
    const ModelConfig& config = transformer_.config();
    BlockScales scales;
    for (const BlockPart part : PartsOf(*source_.plan)) {
      if (!AbsorbsScales(config, part)) continue;
      BITLOSS_TRY(scales.input(part), SearchInput(part));
    }
    for (const NarrowReaders& readers : NarrowReadersOf(*source_.plan)) {
      BITLOSS_TRY(scales.narrow.emplace_back(), SearchTogether(readers.linears));
    }
    if (OutputScalesHaveAPlace()) {
      BITLOSS_TRY(scales.heads, SearchAlone(source_.plan->At(Linear::kOutput)));
    }
    const bool is_linear_in_up =
        config.activation.gating == Gating::kSilu || config.activation.gating == Gating::kGeluTanh;
    if (!is_linear_in_up) return scales;
    for (const MlpPlaces& unit : UnitsOf(*source_.plan)) {
      BITLOSS_TRY(scales.activated.emplace_back(), SearchAlone(unit.down));
    }
    return scales;
  }

 private:
  ThreadPool& threads() const { return transformer_.backend().threads(); }

  // With grouped queries a row of v_proj feeds several columns of o_proj; AutoAWQ goes by shapes. A
  // norm of values would undo a scale.
  bool OutputScalesHaveAPlace() const {
    const ModelConfig& config = transformer_.config();
    const std::optional<size_t> value_place = source_.plan->Find(Linear::kValue);
    if (config.layer(layer_).mixer != Mixer::kAttention || config.norms_values || !value_place) {
      return false;
    }
    const Matrix& value = source_.weights[*value_place];
    const Matrix& output = source_.weights[source_.plan->At(Linear::kOutput)];
    return value.rows() == output.rows() && value.cols() == output.cols();
  }

  // Puts candidates in the place of the block's own weights.
  Status Replace(std::span<const size_t> linears, std::span<const Matrix> candidates) {
    for (size_t i = 0; i < linears.size(); ++i) {
      BITLOSS_DO(CheckRows(candidates[i]));
      BITLOSS_TRY(weights_.linears[linears[i]],
                  transformer_.backend().Pack(F32InPlace(candidates[i]), Execution{}));
    }
    return Ok();
  }

  // CheckFinite, on all threads.
  Status CheckRows(ConstMatrixView weights) const {
    std::vector<uint8_t> are_finite(weights.rows);
    threads().ForEachPart(weights.rows, [&](size_t row, size_t) {
      are_finite[row] = CheckFinite(weights.Rows(row, row + 1)).ok() ? 1 : 0;
    });
    const bool all = std::ranges::find(are_finite, 0) == are_finite.end();
    return all ? Ok() : CheckFinite(weights);
  }

  Result<std::vector<float>> Search(std::span<const size_t> linears, ConstMatrixView x,
                                    const CandidateLoss& loss) {
    std::vector<ConstMatrixView> weights;
    for (const size_t linear : linears) weights.push_back(source_.weights[linear]);
    auto choice = SearchScale(format_, weights, ActivationMeans(x, threads()), loss, threads());
    if (!choice.ok()) return Within(source_.plan->linears[linears[0]].Name(), choice.error());
    return std::move(choice.value().scales);
  }

  // The linears that read a part's input; the part's output is the loss.
  Result<std::vector<float>> SearchInput(BlockPart part) {
    const std::vector<size_t> linears = ReadersOf(*source_.plan, part);
    const Observed::Part& seen = seen_.part(part);
    const Tensor rows = transformer_.backend().ToTensor(seen.input);
    const Tensor stream = transformer_.backend().ToTensor(seen.stream);
    const Tensor output = transformer_.backend().ToTensor(seen.output);
    return Search(linears, seen.input,
                  [&](std::span<const Matrix> candidates, double limit) -> Result<double> {
                    BITLOSS_DO(Replace(linears, candidates));
                    return LossOverGroups(part, {rows, stream}, output, limit);
                  });
  }

  // What a part makes of its inputs loses against `expected`, group of sequences by group, as long
  // as that is within `limit`.
  double LossOverGroups(BlockPart part, const PartInput& inputs, ConstDeviceView expected,
                        double limit) {
    OutputLoss loss(expected, transformer_.backend());
    size_t first = 0;
    for (const Batch& group : groups_) {
      const size_t end = first + group.tokens().size();
      PartInput of_group{inputs.input.Rows(first, end)};
      if (inputs.stream.rows > 0) of_group.stream = inputs.stream.Rows(first, end);
      transformer_.Part(weights_, layer_, group, part, of_group, output_);
      loss.Add(output_);
      if (loss.Loss() > limit) break;
      first = end;
    }
    return loss.Loss();
  }

  // A linear whose own output is the loss.
  Result<std::vector<float>> SearchAlone(size_t linear) { return SearchTogether({&linear, 1}); }

  // Linears that read the same rows; the mean over all their outputs is the loss.
  Result<std::vector<float>> SearchTogether(std::span<const size_t> linears) {
    const Matrix& x = seen_.InputOf(linears[0]);
    const Backend& backend = transformer_.backend();
    const std::unique_ptr<InputSums> inputs = backend.SumInputs(backend.ToTensor(x));
    double outputs = 0;
    for (const size_t linear : linears) outputs += static_cast<double>(RowsOf(linear));
    return Search(linears, x,
                  [&](std::span<const Matrix> candidates, double limit) -> Result<double> {
                    double loss = 0;
                    for (size_t i = 0; i < linears.size(); ++i) {
                      const double share = static_cast<double>(RowsOf(linears[i])) / outputs;
                      loss += share * LinearLoss(*inputs, source_.weights[linears[i]],
                                                 candidates[i], threads(), limit / share);
                    }
                    return loss;
                  });
  }
  size_t RowsOf(size_t linear) const { return source_.weights[linear].rows(); }

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

// Norms, biases and what else is kept are stored in FP16, so that is what they become.
template <class Change>
Status ChangeStored(std::string_view name, std::span<const float> scales, std::span<float> values,
                    const Change& change) {
  for (size_t i = 0; i < values.size(); ++i) {
    const float scale = scales[i % scales.size()];
    const float changed = ThroughF16(change(values[i], scale));
    if (!std::isfinite(changed)) {
      return Unsupported("{}: element {}, {} scaled by {}, is beyond the range of FP16", name, i,
                         values[i], scale);
    }
    values[i] = changed;
  }
  return Ok();
}

float Divide(float value, float scale) { return value / scale; }

// Scales what reads a part's input up and that input down: it is made by norm weights. What reads
// it and stays as it is, a router say, is scaled too.
Status ApplyThroughNorm(const ModelConfig& config, BlockPart part, std::span<const float> scales,
                        LayerSource& block, Observed& seen) {
  const std::vector<size_t> readers = ReadersOf(*block.plan, part);
  for (const size_t linear : readers) MultiplyColumns(block.weights[linear], scales);
  const auto times = [](float value, float scale) { return value * scale; };
  for (const KeptSpec& kept : block.plan->kept) {
    if (ReaderOf(*block.plan, kept.kept) != part) continue;
    BITLOSS_DO(
        ChangeStored("what reads the same input", scales, block.part(kept.kept).flat(), times));
  }
  const std::string_view name =
      part == BlockPart::kAttention ? "input_layernorm" : "post_attention_layernorm";
  const std::span<float> weights = block.part(NormOf(part)).flat();
  if (config.norm_kind == NormKind::kRmsOnePlus) {
    BITLOSS_DO(ChangeStored(name, scales, weights, [](float value, float scale) {
      return (1.0f + value) / scale - 1.0f;
    }));
  } else {
    BITLOSS_DO(ChangeStored(name, scales, weights, Divide));
  }
  for (Observed::Input& input : seen.inputs) {
    if (std::ranges::find(readers, input.linears[0]) != readers.end()) {
      DivideColumns(input.rows, scales);
    }
  }
  return Ok();
}

// The same where the input is made by a norm of latent attention.
Status ApplyThroughNarrowNorm(const NarrowReaders& readers, std::span<const float> scales,
                              LayerSource& block, Observed& seen) {
  for (const size_t linear : readers.linears) MultiplyColumns(block.weights[linear], scales);
  DivideColumns(seen.InputOf(readers.linears[0]), scales);
  return ChangeStored("the norm of a narrow form", scales, block.part(readers.norm).flat(), Divide);
}

// The same where the input is made by the rows of a linear.
Status ApplyThroughLinear(size_t made_by, std::span<const float> scales, size_t consumer,
                          LayerSource& block, Observed& seen) {
  MultiplyColumns(block.weights[consumer], scales);
  DivideRows(block.weights[made_by], scales);
  DivideColumns(seen.InputOf(consumer), scales);
  return ChangeStored(block.plan->linears[made_by].Name(), scales, block.biases[made_by], Divide);
}

// Applies the scales to the block and to the inputs that its linears see.
Status Apply(const ModelConfig& config, const BlockScales& scales, LayerSource& block,
             Observed& seen) {
  for (const BlockPart part : PartsOf(*block.plan)) {
    const auto& of_part = scales.input(part);
    if (of_part) BITLOSS_DO(ApplyThroughNorm(config, part, *of_part, block, seen));
  }
  const std::vector<NarrowReaders> narrow = NarrowReadersOf(*block.plan);
  for (size_t i = 0; i < scales.narrow.size(); ++i) {
    BITLOSS_DO(ApplyThroughNarrowNorm(narrow[i], scales.narrow[i], block, seen));
  }
  if (scales.heads) {
    BITLOSS_DO(ApplyThroughLinear(block.plan->At(Linear::kValue), *scales.heads,
                                  block.plan->At(Linear::kOutput), block, seen));
  }
  const std::vector<MlpPlaces> units = UnitsOf(*block.plan);
  for (size_t i = 0; i < scales.activated.size(); ++i) {
    BITLOSS_DO(ApplyThroughLinear(units[i].up, scales.activated[i], units[i].down, block, seen));
  }
  return Ok();
}

// SmoothQuant's scales of the inputs of `consumers`, whose largest magnitudes are `maxima`.
std::vector<float> SmoothingScales(const LayerSource& block, std::span<const size_t> consumers,
                                   std::span<const float> maxima, double strength) {
  std::vector<float> largest(maxima.size());
  for (const size_t linear : consumers) {
    const std::vector<float> of_linear = ColumnMaxima(block.weights[linear]);
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

// Whether its outputs go into queries or keys. Of a delta rule too.
bool MakesScores(const LinearSpec& linear) {
  switch (linear.kind) {
    case Linear::kQuery:
    case Linear::kKey:
    case Linear::kQueryDown:
    case Linear::kQueryUp:
    case Linear::kKeyUp:
      return true;
    default:
      return false;
  }
}

// Queries and keys are left alone, as in AutoAWQ: their products, not they, are the output.
Status Clip(const Format& format, const Observed& seen, ThreadPool& threads, LayerSource& block) {
  for (size_t i = 0; i < block.weights.size(); ++i) {
    const LinearSpec& linear = block.plan->linears[i];
    if (MakesScores(linear)) continue;
    const Status status = ClipGroups(format, seen.InputOf(i), threads, block.weights[i]);
    if (!status.ok()) return Within(linear.Name(), status.error());
  }
  return Ok();
}

}  // namespace

Result<LayerSource> FitLayerAwq(Transformer& transformer, const LayerSource& source, size_t layer,
                                const Batch& batch, ConstDeviceView inputs, const Format& format) {
  const Backend& backend = transformer.backend();
  LaneSize unused;
  BITLOSS_TRY(LayerWeights weights,
              PackLayer(transformer.config(), source, source.plain, Execution{}, backend, unused));
  Observed seen = Observe(transformer, weights, layer, batch, inputs);
  BITLOSS_TRY(
      const BlockScales scales,
      ScaleSearch(transformer, source, std::move(weights), layer, batch, seen, format).Run());
  LayerSource fitted = CopyOf(source);
  BITLOSS_DO(Apply(transformer.config(), scales, fitted, seen));
  BITLOSS_DO(Clip(format, seen, backend.threads(), fitted));
  return fitted;
}

Result<LayerSource> FitLayerSmoothQuant(const ModelConfig& config, const LayerSource& source,
                                        double strength, Observed& seen) {
  if (!AbsorbsScales(config, BlockPart::kAttention) || !AbsorbsScales(config, BlockPart::kMlp)) {
    return Unsupported(
        "smoothquant: architecture {} has no norm before each part of a block that feeds that part "
        "alone",
        config.architecture);
  }
  LayerSource fitted = CopyOf(source);
  std::array<std::vector<float>, kNumBlockParts> scales;
  for (const BlockPart part : PartsOf(*source.plan)) {
    const std::vector<size_t> readers = ReadersOf(*source.plan, part);
    const std::vector<float> maxima = ColumnMaxima(seen.part(part).input);
    scales[static_cast<size_t>(part)] = SmoothingScales(source, readers, maxima, strength);
  }
  for (const BlockPart part : PartsOf(*source.plan)) {
    BITLOSS_DO(ApplyThroughNorm(config, part, scales[static_cast<size_t>(part)], fitted, seen));
  }
  return fitted;
}

}  // namespace bitloss

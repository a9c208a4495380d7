#include "bitloss/model/lane_builder.h"

#include <algorithm>
#include <map>
#include <optional>

#include "bitloss/base/stopwatch.h"
#include "bitloss/model/lane_size.h"
#include "bitloss/model/layer_fit.h"
#include "bitloss/model/matrix_formats.h"
#include "bitloss/model/noise.h"
#include "bitloss/quant/formats/ggml/ggml_format.h"
#include "bitloss/quant/formats/planes.h"
#include "bitloss/quant/scheme_file_type.h"

namespace bitloss {
namespace {

// The hidden rows of the calibration sequences, carried through blocks: the baseline's, or those of
// a lane whose fit follows its own.
class CalibrationChain {
 public:
  CalibrationChain(Transformer& transformer, std::span<const std::vector<int32_t>> sequences)
      : transformer_(transformer), inputs_(transformer.backend().memory()) {
    for (const std::vector<int32_t>& tokens : sequences) batch_.Add(tokens);
  }

  // x_0 = embedding.
  void Begin(const LaneWeights& baseline) { transformer_.Embed(baseline, batch_, inputs_); }

  const Batch& batch() const { return batch_; }
  ConstDeviceView inputs() const { return inputs_; }

  // Moves on through a block.
  void Advance(const LayerWeights& weights, size_t layer) {
    transformer_.Layer(weights, layer, batch_, nullptr, inputs_);
  }

 private:
  Transformer& transformer_;
  Batch batch_;
  Tensor inputs_;
};

// Embedding, final norm and head, which lanes of one precision share.
struct SharedParts {
  EncodedMatrix embedding;
  std::shared_ptr<const PerLayerWeights> per_layer;
  std::shared_ptr<const Tensor> final_norm;
  std::shared_ptr<const PackedMatrix> head;
};

Result<SharedParts> ReadSharedParts(const ModelSource& source, const Backend& backend,
                                    Precision precision, Packing packing) {
  SharedParts parts;
  BITLOSS_TRY(parts.embedding, source.Embedding(precision, backend.threads()));
  BITLOSS_TRY(parts.per_layer, source.PerLayer(precision, backend));
  BITLOSS_TRY(const std::vector<float> final_norm, source.FinalNorm(precision));
  parts.final_norm = std::make_shared<const Tensor>(
      backend.ToTensor(AsMultiplied(source.config().final_norm_kind, final_norm)));
  BITLOSS_TRY(const EncodedMatrix head, source.tied_head()
                                            ? Result<EncodedMatrix>(parts.embedding)
                                            : source.Head(precision, backend.threads()));
  BITLOSS_TRY(parts.head, backend.Pack(head, Execution{}, packing));
  return parts;
}

// The same of a file type, which says what embedding and head are in; the rest stays as it is.
Status FinishFileTypeLane(const ModelSource& source, const Backend& backend,
                          const FileTypeFormats& formats, const Execution& execution,
                          LaneWeights& lane) {
  ThreadPool& threads = backend.threads();
  BITLOSS_TRY(lane.embedding, EncodeTable(*formats.embedding, lane.embedding, threads));
  EncodedMatrix head = lane.embedding;
  if (!source.tied_head()) {
    BITLOSS_TRY(const EncodedMatrix stored, source.Head(source.baseline_precision(), threads));
    BITLOSS_TRY(head, EncodeTable(*formats.head, stored, threads));
  }
  BITLOSS_TRY(lane.head, backend.Pack(head, execution));
  return Ok();
}

// Gives a lane its embedding, final norm and head, and counts their bytes.
Status FinishLane(const ModelSource& source, const Backend& backend, const Scheme& scheme,
                  const SharedParts& parts, LaneWeights& lane) {
  const Precision precision = source.PrecisionFor(scheme.format);
  lane.size.other_bytes = OtherBytes(scheme, source);
  lane.embedding = parts.embedding;
  lane.per_layer = parts.per_layer;
  lane.final_norm = parts.final_norm;
  lane.head = parts.head;
  if (const auto formats = FileTypeFormatsOf(scheme, source)) {
    const Status status = FinishFileTypeLane(source, backend, *formats, scheme.execution, lane);
    if (!status.ok()) return Within(fmt::format("scheme '{}'", scheme.text), status.error());
    return Ok();
  }
  if (QuantizesHead(scheme)) {
    BITLOSS_TRY(const EncodedMatrix table, source.tied_head()
                                               ? Result<EncodedMatrix>(parts.embedding)
                                               : source.Head(precision, backend.threads()));
    auto encoded = EncodeTable(scheme.head_format, table, backend.threads());
    if (!encoded.ok()) return Within(fmt::format("scheme '{}'", scheme.text), encoded.error());
    const EncodedMatrix head = std::move(encoded).value();
    BITLOSS_TRY(lane.head, backend.Pack(head, Execution{}));
    if (source.tied_head()) lane.embedding = head;
  }
  return Ok();
}

Result<LayerWeights> PackFitted(const ModelConfig& config, const FittedLayer& fitted,
                                const Scheme& scheme, const Backend& backend, LaneSize& size) {
  const auto execution = [&](size_t linear) {
    Execution of_linear = scheme.execution;
    of_linear.activation_scale = fitted.activation_scales[linear];
    return of_linear;
  };
  return PackEncodedLayer(config, fitted.source, fitted.encoded, {execution}, backend, size);
}

// One block of one lane, encoded and not packed.
Result<FittedLayer> FitOnly(Transformer& transformer, const LayerSource& original, size_t layer,
                            const LayerInputs& inputs, const Scheme& scheme,
                            const LaneBuilderOptions& options) {
  if (scheme.fit != FitKind::kNoise) {
    return FitLayer(transformer, original, layer, inputs, scheme, options.importance);
  }
  const LayerSource noisy = WithNoise(original, layer, scheme.fit_options.noise, options.seed,
                                      transformer.backend().threads());
  return FitLayer(transformer, noisy, layer, inputs, scheme, options.importance);
}

// One block of one lane. Lanes that are not fitted are encoded and packed as they are.
Result<LayerWeights> FitAndPack(Transformer& transformer, const LayerSource& original, size_t layer,
                                const LayerInputs& inputs, const Scheme& scheme,
                                const LaneBuilderOptions& options, LaneSize& size) {
  const Backend& backend = transformer.backend();
  if (scheme.fit == FitKind::kNoise) {
    const LayerSource noisy =
        WithNoise(original, layer, scheme.fit_options.noise, options.seed, backend.threads());
    return PackLayer(transformer.config(), noisy, scheme.format, scheme.execution, backend, size);
  }
  if (scheme.fit == FitKind::kNearest && !Calibrates(scheme)) {
    const BlockFormats formats(scheme, transformer.config(), layer);
    return PackLayerIn(transformer.config(), original, formats, scheme.execution, backend, size);
  }
  BITLOSS_TRY(const FittedLayer fitted,
              FitLayer(transformer, original, layer, inputs, scheme, options.importance));
  return PackFitted(transformer.config(), fitted, scheme, backend, size);
}

bool LeavesHalves(const Scheme& scheme) {
  return IsPlain(scheme.format) && scheme.format.bits == 16 && scheme.fit == FitKind::kNearest &&
         !Calibrates(scheme);
}

// A block of a lane that leaves its linears in FP16 or BF16: each is read, if it has to be, by one
// thread.
Result<LayerWeights> PackHalves(const ModelSource& source, size_t layer, const Scheme& scheme,
                                Packing packing, const Backend& backend, LaneSize& size) {
  const Precision precision = source.PrecisionFor(scheme.format);
  const size_t count = source.plan(layer).linears.size();
  std::vector<std::optional<Result<EncodedMatrix>>> read(count);
  backend.threads().ForEachPart(
      count, [&](size_t i, size_t) { read[i] = source.PlainLinear(layer, i, precision); });
  std::vector<EncodedMatrix> halves(count);
  for (size_t i = 0; i < count; ++i) {
    BITLOSS_TRY(halves[i], std::move(*read[i]));
  }
  BITLOSS_TRY(const LayerSource vectors, source.LayerVectors(layer, precision));
  return PackEncodedLayer(source.config(), vectors, halves,
                          {[&](size_t) { return scheme.execution; }, packing}, backend, size);
}

// The last block as large as the lane's is, whatever its values: zeros where those of a format need
// importances that are not at hand.
Result<LayerWeights> PackForSize(const ModelSource& source, const LayerSource& original,
                                 const Scheme& scheme, const Backend& backend) {
  LaneSize unused;
  const bool is_gguf = FileTypeOf(scheme.format) || GgmlTypeOf(scheme.format) != nullptr;
  if (!is_gguf) {
    return PackLayer(source.config(), original, scheme.format, scheme.execution, backend, unused);
  }
  const BlockFormats formats(scheme, source.config(), source.config().num_layers - 1);
  std::vector<EncodedMatrix> zeros;
  for (const Matrix& weights : original.weights) {
    const size_t rows = weights.rows(), cols = weights.cols();
    const Format& format = formats[zeros.size()];
    const Format& stored = format.stored_as == nullptr ? format : format.stored_as(format, cols);
    zeros.push_back(
        {.format = stored,
         .rows = rows,
         .cols = cols,
         .codes = OwnPlane(std::vector<std::byte>(stored.num_bytes(stored, rows, cols)))});
  }
  return PackEncodedLayer(source.config(), original, zeros,
                          {[&](size_t) { return scheme.execution; }}, backend, unused);
}

}  // namespace

Result<std::vector<BuiltLane>> BuildLanes(const ModelSource& source, Transformer& transformer,
                                          std::span<const Scheme> schemes,
                                          const LaneBuilderOptions& options) {
  const Backend& backend = transformer.backend();
  std::map<Precision, SharedParts> shared;
  std::vector<BuiltLane> lanes(schemes.size());
  for (size_t i = 0; i < schemes.size(); ++i) {
    const Precision precision = source.PrecisionFor(schemes[i].format);
    if (!shared.contains(precision)) {
      BITLOSS_TRY(shared[precision], ReadSharedParts(source, backend, precision, options.packing));
    }
    BITLOSS_DO(FinishLane(source, backend, schemes[i], shared[precision], lanes[i].weights));
  }

  std::optional<CalibrationChain> chain;
  std::map<size_t, CalibrationChain> own_chains;  // by lane
  if (std::ranges::any_of(schemes, Calibrates)) {
    if (options.calibration.empty()) {
      return BadInput("a calibrating scheme needs a calibration text with at least one sequence");
    }
    const Precision precision = source.baseline_precision();
    if (!shared.contains(precision)) {
      BITLOSS_TRY(shared[precision], ReadSharedParts(source, backend, precision, options.packing));
    }
    LaneWeights embedding_only;
    embedding_only.embedding = shared[precision].embedding;
    embedding_only.per_layer = shared[precision].per_layer;
    chain.emplace(transformer, options.calibration);
    chain->Begin(embedding_only);
    for (size_t i = 0; i < schemes.size(); ++i) {
      if (!FollowsItsOwnBlocks(schemes[i])) continue;
      const auto [own, inserted] = own_chains.try_emplace(i, transformer, options.calibration);
      own->second.Begin(embedding_only);
    }
  }

  for (size_t layer = 0; layer < source.config().num_layers; ++layer) {
    std::map<Precision, LayerSource> read;
    const auto stored = [&](Precision precision) -> Result<const LayerSource*> {
      if (!read.contains(precision)) {
        BITLOSS_TRY(read[precision], source.Layer(layer, precision));
      }
      return &read[precision];
    };
    for (size_t i = 0; i < schemes.size(); ++i) {
      if (options.skip_lane && options.skip_lane(i)) continue;
      const auto start = Clock::now();
      if (LeavesHalves(schemes[i]) && !options.layer_encoded) {
        BITLOSS_TRY(LayerWeights packed, PackHalves(source, layer, schemes[i], options.packing,
                                                    backend, lanes[i].weights.size));
        lanes[i].weights.layers.push_back(std::move(packed));
        lanes[i].seconds += SecondsSince(start);
        continue;
      }
      BITLOSS_TRY(const LayerSource* original, stored(source.PrecisionFor(schemes[i].format)));
      const auto own = own_chains.find(i);
      LayerInputs inputs;
      if (chain) inputs = {&chain->batch(), chain->inputs(), {}};
      if (own != own_chains.end()) inputs.of_lane = own->second.inputs();
      const std::string context = fmt::format("{}, layer {}", schemes[i].text, layer);
      if (options.layer_encoded) {
        const bool has = options.skip_layer && options.skip_layer(i, layer);
        if (has && own == own_chains.end()) continue;
        const auto fitted = has && options.skipped_layer ? options.skipped_layer(i, layer)
                                                         : FitOnly(transformer, *original, layer,
                                                                   inputs, schemes[i], options);
        if (!fitted.ok()) return Within(context, fitted.error());
        if (!has) BITLOSS_DO(options.layer_encoded(i, layer, fitted.value()));
        if (own != own_chains.end()) {
          LaneSize unused;
          BITLOSS_TRY(const LayerWeights weights,
                      PackFitted(source.config(), fitted.value(), schemes[i], backend, unused));
          own->second.Advance(weights, layer);
        }
        lanes[i].seconds += SecondsSince(start);
        continue;
      }
      auto packed = FitAndPack(transformer, *original, layer, inputs, schemes[i], options,
                               lanes[i].weights.size);
      if (!packed.ok()) return Within(context, packed.error());
      lanes[i].weights.layers.push_back(std::move(packed).value());
      if (own != own_chains.end()) own->second.Advance(lanes[i].weights.layers.back(), layer);
      lanes[i].seconds += SecondsSince(start);
    }
    if (chain) {
      BITLOSS_TRY(const LayerSource* original, stored(source.baseline_precision()));
      LaneSize unused;
      BITLOSS_TRY(const LayerWeights weights, PackLayer(source.config(), *original, original->plain,
                                                        Execution{}, backend, unused));
      chain->Advance(weights, layer);
    }
    if (options.layer_done) options.layer_done(layer + 1);
  }
  return lanes;
}

bool TakesAFit(const Scheme& scheme) {
  return Calibrates(scheme) || (scheme.fit != FitKind::kNearest && scheme.fit != FitKind::kNoise);
}

Result<BlockMaker> BlockMaker::Open(const ModelSource& source, const Backend& backend,
                                    std::vector<Scheme> schemes, uint64_t seed,
                                    const FittedBlocks& fitted) {
  BlockMaker maker(source, backend, fitted);
  maker.seed_ = seed;
  maker.schemes_ = std::move(schemes);
  std::map<Precision, SharedParts> shared;
  for (const Scheme& scheme : maker.schemes_) {
    const Precision precision = source.PrecisionFor(scheme.format);
    if (!shared.contains(precision)) {
      BITLOSS_TRY(shared[precision], ReadSharedParts(source, backend, precision, Packing::kCopy));
    }
    LaneWeights& shell = maker.shells_.emplace_back();
    BITLOSS_DO(FinishLane(source, backend, scheme, shared[precision], shell));
    shell.size = SizeOf(scheme, source);
  }
  return maker;
}

Result<LaneWeights> BlockMaker::WithoutBlocks(size_t lane) const {
  const LaneWeights& shell = shells_[lane];
  return LaneWeights{shell.embedding,  shell.per_layer, {},
                     shell.final_norm, shell.head,      shell.size};
}

Result<const LayerSource*> BlockMaker::Read(size_t layer, Precision precision) {
  if (layer != layer_) read_.clear();
  layer_ = layer;
  if (!read_.contains(precision)) {
    BITLOSS_TRY(read_[precision], source_->Layer(layer, precision));
  }
  return &read_[precision];
}

Result<LayerWeights> BlockMaker::Make(size_t lane, size_t layer) {
  const Scheme& scheme = schemes_[lane];
  const std::string context = fmt::format("{}, layer {}", scheme.text, layer);
  LaneSize unused;
  if (TakesAFit(scheme)) {
    BITLOSS_TRY(const SharedBytes bytes, fitted_->Get(lane, layer));
    const auto fitted = ReadFittedBlock(bytes, scheme.format, source_->shared_plan(layer));
    if (!fitted.ok()) return Within(context, fitted.error());
    return PackFitted(source_->config(), fitted.value(), scheme, *backend_, unused);
  }
  BITLOSS_TRY(const LayerSource* original, Read(layer, source_->PrecisionFor(scheme.format)));
  // The baseline holds every value of its block, also where a tensor is of another type than most.
  const bool is_baseline = scheme.format.name == FormatOf(source_->baseline()).name;
  auto packed = scheme.fit == FitKind::kNoise
                    ? PackLayer(source_->config(),
                                WithNoise(*original, layer, scheme.fit_options.noise, seed_,
                                          backend_->threads()),
                                scheme.format, scheme.execution, *backend_, unused)
                    : PackLayerIn(source_->config(), *original,
                                  is_baseline ? BlockFormats(original->plain)
                                              : BlockFormats(scheme, source_->config(), layer),
                                  scheme.execution, *backend_, unused);
  if (!packed.ok()) return Within(context, packed.error());
  return packed;
}

Result<uint64_t> BlockMaker::PackedBlockBytes(size_t lane) {
  const Scheme& scheme = schemes_[lane];
  // The last: where layers differ, the first may be a small dense one.
  BITLOSS_TRY(const LayerSource* original,
              Read(source_->config().num_layers - 1, source_->PrecisionFor(scheme.format)));
  BITLOSS_TRY(const LayerWeights block, PackForSize(*source_, *original, scheme, *backend_));
  uint64_t bytes = 0;
  for (const auto& linear : block.linears) bytes += linear->num_bytes();
  return bytes;
}

}  // namespace bitloss

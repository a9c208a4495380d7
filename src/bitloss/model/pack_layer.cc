// From a block as its checkpoint has it to a block that runs.
#include <optional>

#include "bitloss/model/matrix_formats.h"
#include "bitloss/model/weights.h"

namespace bitloss {
namespace {

// That multiplies by 1 + w where the model's norms do.
bool IsNorm(Kept kept) {
  switch (kept) {
    case Kept::kPreAttentionNorm:
    case Kept::kPreMlpNorm:
    case Kept::kPostAttentionNorm:
    case Kept::kPostMlpNorm:
    case Kept::kQueryNorm:
    case Kept::kKeyNorm:
    case Kept::kPostDenseNorm:
    case Kept::kPreExpertsNorm:
    case Kept::kPostExpertsNorm:
    case Kept::kPostPerLayerNorm:
      return true;
    default:
      return false;
  }
}

// A small matrix in full precision, which is what it is read in.
Result<std::unique_ptr<PackedMatrix>> PackPlain(const Matrix& matrix, const Backend& backend) {
  BITLOSS_TRY(const EncodedMatrix encoded, F32Format().encode(F32Format(), matrix));
  return backend.Pack(encoded, Execution{});
}

}  // namespace

std::vector<float> AsMultiplied(NormKind kind, std::vector<float> weights) {
  if (kind == NormKind::kRmsOnePlus) {
    for (float& weight : weights) weight += 1.0f;
  }
  return weights;
}

Result<LayerWeights> PackKept(const ModelConfig& config, const LayerSource& source,
                              const Backend& backend) {
  LayerWeights packed;
  packed.plan = source.plan;
  for (const KeptSpec& kept : source.plan->kept) {
    const Matrix& part = source.part(kept.kept);
    const auto place = static_cast<size_t>(kept.kept);
    if (IsMatrix(kept.kept)) {
      BITLOSS_TRY(packed.matrices[place], PackPlain(part, backend));
      continue;
    }
    if (kept.rows > 1) {
      packed.kept[place] = backend.ToTensor(part);
      continue;
    }
    const std::vector<float> values(part.flat().begin(), part.flat().end());
    packed.kept[place] =
        backend.ToTensor(IsNorm(kept.kept) ? AsMultiplied(config.norm_kind, values) : values);
  }
  for (const std::vector<float>& bias : source.biases) {
    packed.biases.push_back(backend.ToTensor(bias));
  }
  packed.linears.resize(source.plan->linears.size());
  return packed;
}

Result<LayerWeights> PackLayer(const ModelConfig& config, const LayerSource& source,
                               const Format& format, const Execution& execution,
                               const Backend& backend, LaneSize& size) {
  return PackLayerIn(config, source, BlockFormats(format), execution, backend, size);
}

Result<LayerWeights> PackLayerIn(const ModelConfig& config, const LayerSource& source,
                                 const BlockFormats& formats, const Execution& execution,
                                 const Backend& backend, LaneSize& size) {
  const size_t count = source.weights.size();
  std::vector<std::optional<Result<EncodedMatrix>>> results(count);
  backend.threads().ForEachPart(count, [&](size_t i, size_t) {
    const Format& format = formats[i];
    results[i] = format.encode(format, source.weights[i]);
  });
  std::vector<EncodedMatrix> encoded(count);
  for (size_t i = 0; i < count; ++i) {
    if (!results[i]->ok()) {
      return Within(source.plan->linears[i].Name(), results[i]->error());
    }
    encoded[i] = std::move(*results[i]).value();
  }
  return PackEncodedLayer(config, source, encoded, {[&](size_t) { return execution; }}, backend,
                          size);
}

Result<LayerWeights> PackEncodedLayer(const ModelConfig& config, const LayerSource& source,
                                      std::span<const EncodedMatrix> encoded,
                                      const PackOptions& options, const Backend& backend,
                                      LaneSize& size) {
  BITLOSS_TRY(LayerWeights packed, PackKept(config, source, backend));
  packed.execution = options.execution(0).kind;
  packed.kv = options.execution(0).kv;
  for (size_t i = 0; i < encoded.size(); ++i) {
    size.linear_bytes += encoded[i].num_bytes();
    size.linear_weights += uint64_t{encoded[i].rows} * encoded[i].cols;
    BITLOSS_TRY(packed.linears[i], backend.Pack(encoded[i], options.execution(i), options.packing));
  }
  return packed;
}

}  // namespace bitloss

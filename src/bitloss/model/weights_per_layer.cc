// Inputs that a model has for each of its layers, and what makes its streams.
#include "bitloss/model/weights.h"

namespace bitloss {

Status ModelSource::CheckPerLayer() {
  if (!config_.per_layer_input) return Ok();
  const PerLayerInputSpec& spec = *config_.per_layer_input;
  const size_t columns = config_.num_layers * spec.width;
  const bool is_gguf = checkpoint_->gguf() != nullptr;
  const auto named = [&](std::string_view in_folder, std::string_view in_gguf) {
    return is_gguf ? fmt::format("{}.weight", in_gguf)
                   : fmt::format("{}{}.weight", base_, in_folder);
  };
  per_layer_ = PerLayerParts{
      Whole(named("embed_tokens_per_layer", "per_layer_token_embd"), spec.vocab_size, columns),
      Whole(named("per_layer_model_projection", "per_layer_model_proj"), columns,
            config_.hidden_size),
      Whole(named("per_layer_projection_norm", "per_layer_proj_norm"), 1, spec.width),
      {},
      {}};
  per_layer_->norm.shape = {spec.width};
  for (size_t k = 0; config_.altup && k + 1 < config_.altup->streams; ++k) {
    per_layer_->into_streams.push_back(PlaceOfStream("altup_projections", "altup_proj", k));
    per_layer_->out_of_streams.push_back(
        PlaceOfStream("altup_unembed_projections", "altup_unembd_proj", k));
  }
  for (const TensorPart& part : per_layer_->All()) {
    BITLOSS_DO(CheckShape(part.name, part.shape));
    Use(part.name);
  }
  return Ok();
}

std::vector<TensorPart> ModelSource::PerLayerParts::All() const {
  std::vector<TensorPart> parts = {table, projection, norm};
  parts.insert(parts.end(), into_streams.begin(), into_streams.end());
  parts.insert(parts.end(), out_of_streams.begin(), out_of_streams.end());
  return parts;
}

std::vector<TensorPart> ModelSource::PerLayerTensors() const {
  return per_layer_ ? per_layer_->All() : std::vector<TensorPart>();
}

// A file's own tensor, or one of all of them.
TensorPart ModelSource::PlaceOfStream(std::string_view name, std::string_view in_gguf,
                                      size_t number) const {
  const size_t hidden = config_.hidden_size;
  if (checkpoint_->gguf() == nullptr) {
    return Whole(fmt::format("{}{}.{}.weight", base_, name, number), hidden, hidden);
  }
  TensorPart part = Whole(fmt::format("{}.weight", in_gguf), hidden, hidden);
  part.shape = {config_.altup->streams - 1, hidden, hidden};
  part.first = number * hidden;
  return part;
}

Result<std::shared_ptr<const PackedMatrix>> ModelSource::PackWhole(const TensorPart& part,
                                                                   Precision precision,
                                                                   const Backend& backend) const {
  BITLOSS_TRY(const Matrix matrix, ReadPart(part, precision));
  BITLOSS_TRY(const EncodedMatrix encoded, F32Format().encode(F32Format(), matrix));
  BITLOSS_TRY(std::unique_ptr<PackedMatrix> packed, backend.Pack(encoded, Execution{}));
  return std::shared_ptr<const PackedMatrix>(std::move(packed));
}

Result<std::shared_ptr<const PerLayerWeights>> ModelSource::PerLayer(Precision precision,
                                                                     const Backend& backend) const {
  if (!per_layer_) return std::shared_ptr<const PerLayerWeights>();
  auto weights = std::make_shared<PerLayerWeights>();
  BITLOSS_TRY(const std::optional<EncodedMatrix> packed,
              checkpoint_->Quantized(per_layer_->table.name));
  if (packed && precision == Precision::kStored) {
    BITLOSS_TRY(weights->table, StoredMatrix(per_layer_->table));
  } else {
    BITLOSS_TRY(weights->table, ReadTable(per_layer_->table, precision, backend.threads()));
  }
  BITLOSS_TRY(weights->projection, PackWhole(per_layer_->projection, precision, backend));
  for (const TensorPart& part : per_layer_->into_streams) {
    BITLOSS_TRY(weights->into_streams.emplace_back(), PackWhole(part, precision, backend));
  }
  for (const TensorPart& part : per_layer_->out_of_streams) {
    BITLOSS_TRY(weights->out_of_streams.emplace_back(), PackWhole(part, precision, backend));
  }
  BITLOSS_TRY(const Matrix norm, ReadPart(per_layer_->norm, precision));
  weights->norm = backend.ToTensor(norm);
  return std::shared_ptr<const PerLayerWeights>(std::move(weights));
}

}  // namespace bitloss

// Matrices as their checkpoint stores them.
#include <set>

#include "bitloss/model/matrix_rows.h"
#include "bitloss/model/weights.h"

namespace bitloss {
namespace {

// A damaged scale makes NaN or infinity of a whole group.
Status CheckFiniteDecoded(const std::string& name, const EncodedMatrix& matrix) {
  std::vector<float> row(matrix.cols);
  for (size_t r = 0; r < matrix.rows; ++r) {
    matrix.format.decode(matrix, r, 0, row);
    BITLOSS_DO(CheckFinite(name, row, r * matrix.cols));
  }
  return Ok();
}

}  // namespace

Result<EncodedMatrix> ModelSource::StoredMatrix(const TensorPart& part) const {
  BITLOSS_TRY(std::optional<EncodedMatrix> packed, checkpoint_->Quantized(part.name));
  if (packed) {
    BITLOSS_TRY(const EncodedMatrix rows, RowsOf(*packed, part));
    BITLOSS_DO(CheckFiniteDecoded(part.name, rows));
    return rows;
  }
  return ReadPlain(part, Precision::kStored);
}

Result<EncodedMatrix> ModelSource::StoredLinear(size_t layer, size_t linear) const {
  return StoredMatrix(PlaceOf(layer, linear));
}

Result<EncodedMatrix> ModelSource::StoredEmbedding() const {
  return StoredMatrix(Whole(embedding_name_, config_.vocab_size, config_.hidden_size));
}

Result<EncodedMatrix> ModelSource::StoredHead() const {
  return StoredMatrix(Whole(head_name_, config_.vocab_size, config_.hidden_size));
}

uint64_t ModelSource::stored_vector_bytes() const {
  std::set<std::string> names = {final_norm_name_};
  if (per_layer_) {
    for (const TensorPart& part : per_layer_->All()) names.insert(part.name);
  }
  for (size_t layer = 0; layer < config_.num_layers; ++layer) {
    for (const KeptSpec& kept : plan(layer).kept) names.insert(PlaceOf(layer, kept).name);
    for (size_t i = 0; i < plan(layer).linears.size(); ++i) {
      if (plan(layer).linears[i].has_bias) names.insert(PlaceOfBias(layer, i)->name);
    }
  }
  uint64_t total = 0;
  for (const std::string& name : names) {
    const auto info = checkpoint_->Info(name);
    total += info.ok() ? info.value().num_bytes : 0;
  }
  return total;
}

}  // namespace bitloss

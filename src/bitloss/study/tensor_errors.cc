#include "bitloss/study/tensor_errors.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace bitloss {
namespace {

// All values of a tensor as stored.
Result<Matrix> ReadAll(const Checkpoint& checkpoint, const std::string& name) {
  BITLOSS_TRY(const TensorInfo info, checkpoint.Info(name));
  Matrix values(info.rows, info.cols);
  BITLOSS_DO(ReadFiniteRows(checkpoint, name, 0, info.rows, values.flat()));
  return values;
}

// The matrix as its checkpoint holds it; a plain one in float32.
Result<EncodedMatrix> ReadEncoded(const Checkpoint& checkpoint, const std::string& name) {
  BITLOSS_TRY(const std::optional<EncodedMatrix> packed, checkpoint.Quantized(name));
  if (packed) return *packed;
  BITLOSS_TRY(const Matrix plain, ReadAll(checkpoint, name));
  return F32Format().encode(F32Format(), plain);
}

Result<TensorError> CompareTensor(const Checkpoint& base, const Checkpoint& quantized,
                                  const std::string& name) {
  BITLOSS_TRY(const TensorInfo info, quantized.Info(name));
  BITLOSS_TRY(const Matrix weights, ReadAll(base, name));
  BITLOSS_TRY(const EncodedMatrix encoded, ReadEncoded(quantized, name));
  const bool plain = encoded.format.name == F32Format().name;
  return TensorError{name, plain ? info.stored_type : encoded.format.name, info.num_bytes,
                     MeasureWeightError(weights, encoded)};
}

bool IsNorm(const std::string& name) { return name.ends_with("norm.weight"); }

// Whether both have this tensor in one shape. An output head may be there twice or not at all.
bool InBoth(const Checkpoint& base, const Checkpoint& quantized, const std::string& name) {
  const auto a = base.Info(name), b = quantized.Info(name);
  return a.ok() && b.ok() && a.value().shape == b.value().shape;
}

Result<bool> Differs(const Checkpoint& base, const Checkpoint& quantized, const std::string& name) {
  BITLOSS_TRY(const Matrix a, ReadAll(base, name));
  BITLOSS_TRY(const Matrix b, ReadAll(quantized, name));
  // Half of FP16's last place: a norm that was only stored in FP16 is no other norm.
  for (size_t i = 0; i < a.flat().size(); ++i) {
    if (std::abs(a.flat()[i] - b.flat()[i]) > 0x1p-10f * std::abs(a.flat()[i])) return true;
  }
  return false;
}

}  // namespace

Result<TensorErrors> CompareTensors(const ModelFiles& base, const ModelFiles& quantized,
                                    ThreadPool& threads) {
  const Checkpoint& from = base.source.checkpoint();
  const Checkpoint& to = quantized.source.checkpoint();
  TensorErrors errors;
  std::vector<std::string> matrices;
  for (const std::string& name : to.TensorNames()) {
    if (!InBoth(from, to, name)) continue;
    if (to.Info(name).value().shape.size() == 2) matrices.push_back(name);
    if (!IsNorm(name)) continue;
    BITLOSS_TRY(const bool differs, Differs(from, to, name));
    if (differs) errors.changed_norms.push_back(name);
  }
  std::vector<std::optional<Result<TensorError>>> compared(matrices.size());
  threads.ForEachPart(matrices.size(), [&](size_t i, size_t) {
    compared[i] = CompareTensor(from, to, matrices[i]);
  });
  for (auto& tensor : compared) {
    if (!tensor->ok()) return tensor->error();
    errors.tensors.push_back(std::move(*tensor).value());
  }
  std::ranges::stable_sort(errors.tensors, std::ranges::greater{}, [](const TensorError& tensor) {
    return tensor.error.relative_frobenius();
  });
  return errors;
}

}  // namespace bitloss

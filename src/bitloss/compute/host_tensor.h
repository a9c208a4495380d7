// Tensors of backends whose memory is the host's: for those backends and what tests them; elsewhere
// a tensor may lie on another device.
#ifndef BITLOSS_COMPUTE_HOST_TENSOR_H_
#define BITLOSS_COMPUTE_HOST_TENSOR_H_

#include "bitloss/compute/backend.h"
#include "bitloss/compute/tensor.h"
#include "bitloss/tensor/matrix.h"

namespace bitloss {

inline MatrixView HostView(DeviceView tensor) {
  return {tensor.data, tensor.rows, tensor.cols, tensor.stride};
}
inline ConstMatrixView HostView(ConstDeviceView tensor) {
  return {tensor.data, tensor.rows, tensor.cols, tensor.stride};
}
// The elements of a vector, [1][n] or nothing.
inline std::span<const float> HostRow(ConstDeviceView vector) {
  return {vector.data, vector.rows * vector.cols};
}
inline DeviceView AsTensor(MatrixView matrix) {
  return {matrix.data, matrix.rows, matrix.cols, matrix.stride};
}
inline ConstDeviceView AsTensor(ConstMatrixView matrix) {
  return {matrix.data, matrix.rows, matrix.cols, matrix.stride};
}
inline DeviceView AsTensor(Matrix& matrix) { return AsTensor(matrix.view()); }
inline ConstDeviceView AsTensor(const Matrix& matrix) { return AsTensor(matrix.view()); }
inline ConstDeviceView AsTensor(std::span<const float> vector) {
  return {vector.data(), vector.empty() ? 0u : 1u, vector.size(), vector.size()};
}

// An AttentionSequence whose keys and values the host sees.
struct HostSequence {
  RowRange rows;
  size_t first_position = 0;
  ConstMatrixView keys;
  ConstMatrixView values;
};

// The host's memory, for one backend or more.
TensorMemory& HostMemory();

// What all backends have in common whose tensors lie there.
class HostBackend : public Backend {
 public:
  // Requires: `threads` outlives it.
  explicit HostBackend(ThreadPool& threads);

  TensorMemory& memory() const override { return HostMemory(); }
  ThreadPool& threads() const override { return threads_; }
  void Upload(ConstMatrixView from, DeviceView to) const override;
  void Download(ConstDeviceView from, MatrixView to) const override;
  ConstMatrixView OnHost(ConstDeviceView from, Matrix& staging) const override;
  void Copy(ConstDeviceView from, DeviceView to) const override;
  void GatherRows(ConstDeviceView from, std::span<const size_t> rows, DeviceView to) const override;
  void Embed(const EncodedMatrix& table, std::span<const int32_t> tokens,
             DeviceView x) const override;
  void ScaleRows(std::span<const float> factors, DeviceView x) const override;
  void AddWeighted(ConstDeviceView from, std::span<const size_t> rows,
                   std::span<const float> weights, DeviceView to) const override;
  void RoundActivations(Execution::Kind execution, ConstDeviceView from,
                        DeviceView to) const override;
  void AttentionInFp16(const AttentionShape& shape, ConstDeviceView queries,
                       std::span<const AttentionSequence> sequences, DeviceView out) const override;
  void ShortConvolution(ConstDeviceView kernel, ConstDeviceView x,
                        std::span<const RecurrentSequence> sequences, DeviceView y) const override;
  void DeltaRule(const DeltaShape& shape, const DeltaInputs& inputs,
                 std::span<const RecurrentSequence> sequences, DeviceView out) const override;

 protected:
  static std::vector<HostSequence> HostSequences(std::span<const AttentionSequence> sequences);

  ThreadPool& threads_;
};

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_HOST_TENSOR_H_

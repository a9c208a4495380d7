#include "bitloss/compute/host_tensor.h"

#include <algorithm>

#include "bitloss/compute/recurrence.h"
#include "bitloss/compute/rounded_arithmetic.h"

namespace bitloss {
namespace {

class HostTensorMemory final : public TensorMemory {
 public:
  float* Allocate(size_t count) override { return AllocateFloats(count).release(); }
  void Free(float* floats) override { FreeFloats()(floats); }
};

void CopyRows(ConstMatrixView from, MatrixView to) {
  BITLOSS_CHECK(from.rows == to.rows && from.cols == to.cols);
  for (size_t row = 0; row < from.rows; ++row) {
    std::ranges::copy(from.Row(row), to.Row(row).begin());
  }
}

}  // namespace

TensorMemory& HostMemory() {
  static HostTensorMemory memory;
  return memory;
}

HostBackend::HostBackend(ThreadPool& threads) : threads_(threads) {}

void HostBackend::Upload(ConstMatrixView from, DeviceView to) const {
  CopyRows(from, HostView(to));
}

void HostBackend::Download(ConstDeviceView from, MatrixView to) const {
  CopyRows(HostView(from), to);
}

ConstMatrixView HostBackend::OnHost(ConstDeviceView from, Matrix& /*staging*/) const {
  return HostView(from);
}

void HostBackend::Copy(ConstDeviceView from, DeviceView to) const {
  CopyRows(HostView(from), HostView(to));
}

void HostBackend::GatherRows(ConstDeviceView from, std::span<const size_t> rows,
                             DeviceView to) const {
  BITLOSS_CHECK(rows.size() == to.rows && from.cols == to.cols);
  const ConstMatrixView source = HostView(from);
  const MatrixView target = HostView(to);
  for (size_t i = 0; i < rows.size(); ++i) {
    BITLOSS_CHECK(rows[i] < from.rows);
    std::ranges::copy(source.Row(rows[i]), target.Row(i).begin());
  }
}

void HostBackend::Embed(const EncodedMatrix& table, std::span<const int32_t> tokens,
                        DeviceView x) const {
  BITLOSS_CHECK(tokens.size() == x.rows && table.cols == x.cols);
  const MatrixView rows = HostView(x);
  for (size_t row = 0; row < rows.rows; ++row) {
    BITLOSS_CHECK(tokens[row] >= 0 && static_cast<size_t>(tokens[row]) < table.rows);
    table.format.decode(table, static_cast<size_t>(tokens[row]), 0, rows.Row(row));
  }
}

void HostBackend::ScaleRows(std::span<const float> factors, DeviceView x) const {
  BITLOSS_CHECK(factors.size() == x.rows);
  const MatrixView rows = HostView(x);
  threads_.ForEachPart(rows.rows, [&](size_t row, size_t) {
    for (float& value : rows.Row(row)) value *= factors[row];
  });
}

void HostBackend::AddWeighted(ConstDeviceView from, std::span<const size_t> rows,
                              std::span<const float> weights, DeviceView to) const {
  BITLOSS_CHECK(rows.size() == from.rows && weights.size() == from.rows && from.cols == to.cols);
  const ConstMatrixView source = HostView(from);
  const MatrixView target = HostView(to);
  for (size_t i = 0; i < rows.size(); ++i) {
    BITLOSS_CHECK(rows[i] < to.rows);
    const std::span<const float> addend = source.Row(i);
    const std::span<float> sum = target.Row(rows[i]);
    for (size_t col = 0; col < sum.size(); ++col) sum[col] += weights[i] * addend[col];
  }
}

void HostBackend::RoundActivations(Execution::Kind execution, ConstDeviceView from,
                                   DeviceView to) const {
  if (from.data != to.data) Copy(from, to);
  RoundRows(execution, threads_, HostView(to));
}

void HostBackend::AttentionInFp16(const AttentionShape& shape, ConstDeviceView queries,
                                  std::span<const AttentionSequence> sequences,
                                  DeviceView out) const {
  AttendInFp16(shape, HostView(queries), HostSequences(sequences), threads_, HostView(out));
}

namespace {

std::vector<HostRecurrentSequence> RecurrentOnHost(std::span<const RecurrentSequence> sequences) {
  std::vector<HostRecurrentSequence> on_host;
  for (const RecurrentSequence& sequence : sequences) {
    on_host.push_back({sequence.rows, HostView(sequence.state)});
  }
  return on_host;
}

}  // namespace

void HostBackend::ShortConvolution(ConstDeviceView kernel, ConstDeviceView x,
                                   std::span<const RecurrentSequence> sequences,
                                   DeviceView y) const {
  BITLOSS_CHECK(kernel.rows == x.cols && y.cols == x.cols && y.rows == x.rows && kernel.cols > 0);
  ConvolveRows(HostView(kernel), HostView(x), RecurrentOnHost(sequences), threads_, HostView(y));
}

void HostBackend::DeltaRule(const DeltaShape& shape, const DeltaInputs& inputs,
                            std::span<const RecurrentSequence> sequences, DeviceView out) const {
  const HostDeltaInputs on_host{HostView(inputs.queries), HostView(inputs.keys),
                                HostView(inputs.values), inputs.decays, inputs.rates};
  RunDeltaRule(shape, on_host, RecurrentOnHost(sequences), threads_, HostView(out));
}

std::vector<HostSequence> HostBackend::HostSequences(std::span<const AttentionSequence> sequences) {
  std::vector<HostSequence> on_host;
  for (const AttentionSequence& sequence : sequences) {
    on_host.push_back({sequence.rows, sequence.first_position, HostView(sequence.keys),
                       HostView(sequence.values)});
  }
  return on_host;
}

}  // namespace bitloss

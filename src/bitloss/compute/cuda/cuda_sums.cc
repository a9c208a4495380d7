#include "bitloss/compute/cuda/cuda_sums.h"

#include "bitloss/base/check.h"

namespace bitloss {

CudaSums::CudaSums(CudaDevice& device, ConstCudaRows x)
    : device_(device),
      size_(x.cols),
      num_inputs_(x.rows),
      folded_(device, x.cols * x.cols * sizeof(double)) {
  device.Check(device.api().sum_inputs(device.context(), x, folded_.as<double>()));
}

void CudaSums::FormsOf(ConstMatrixView deltas, std::span<double> forms) const {
  BITLOSS_CHECK(deltas.cols == size_ && forms.size() == deltas.rows);
  const size_t row_bytes = size_ * sizeof(float);
  deltas_.Reserve(device_, deltas.rows * row_bytes);
  sums_.Reserve(device_, deltas.rows * size_ * sizeof(double));
  const CudaApi& api = device_.api();
  device_.Check(api.upload(device_.context(), deltas.data, deltas.stride * sizeof(float),
                           deltas_.data(), row_bytes, row_bytes, deltas.rows));
  device_.Check(api.quadratic_forms(device_.context(), folded_.as<double>(),
                                    {deltas_.as<float>(), deltas.rows, size_, size_},
                                    sums_.as<double>(), forms.data()));
}

Gram CudaSums::Take() {
  Gram gram{size_, num_inputs_, std::vector<double>(size_ * size_)};
  const size_t row_bytes = size_ * sizeof(double);
  device_.Check(device_.api().download(device_.context(), folded_.data(), row_bytes,
                                       gram.folded.data(), row_bytes, row_bytes, size_));
  folded_ = CudaBuffer();
  return gram;
}

}  // namespace bitloss

// The sums of a linear's inputs on a GPU (quant/fit/gram.h); the host's bits.
#ifndef BITLOSS_COMPUTE_CUDA_CUDA_SUMS_H_
#define BITLOSS_COMPUTE_CUDA_CUDA_SUMS_H_

#include "bitloss/compute/cuda/cuda_device.h"
#include "bitloss/quant/fit/gram.h"

namespace bitloss {

class CudaSums final : public InputSums {
 public:
  // Requires: `device` outlives it.
  CudaSums(CudaDevice& device, ConstCudaRows x);

  size_t num_inputs() const override { return num_inputs_; }
  size_t rows_at_once() const override { return 4096; }
  void FormsOf(ConstMatrixView deltas, std::span<double> forms) const override;
  Gram Take() override;

 private:
  CudaDevice& device_;
  size_t size_;
  size_t num_inputs_;
  CudaBuffer folded_;  // [size][size]
  // Memory that stays from call to call.
  mutable CudaBuffer deltas_;
  mutable CudaBuffer sums_;
};

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CUDA_CUDA_SUMS_H_

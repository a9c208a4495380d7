// Weights on a GPU, in panels of 128 outputs (device_api.h), by what multiplies them: floats
// (FP16 where the format is, else the format's own decoded FP32), words of int8 codes with a scale
// for each output, or blocks of 32 codes. In split arithmetic floats are rows of two planes of FP16
// instead, of one if the low halves are all zero.
#ifndef BITLOSS_COMPUTE_CUDA_CUDA_MATRIX_H_
#define BITLOSS_COMPUTE_CUDA_CUDA_MATRIX_H_

#include <memory>

#include "bitloss/base/result.h"
#include "bitloss/base/threads.h"
#include "bitloss/compute/arithmetic.h"
#include "bitloss/compute/backend.h"
#include "bitloss/compute/cuda/cuda_device.h"

namespace bitloss {

class CudaMatrix final : public PackedMatrix {
 public:
  enum class Kind { kF16, kF32, kSplit, kInt8, kBlocks };

  static Result<std::unique_ptr<CudaMatrix>> Pack(CudaDevice& device, const EncodedMatrix& weights,
                                                  const Execution& execution, Arithmetic arithmetic,
                                                  ThreadPool& threads);

  size_t out_features() const override { return rows_; }
  size_t in_features() const override { return cols_; }
  size_t num_bytes() const override {
    return weights_.size() + low_.size() + scales_.size() + offsets_.size();
  }

  Kind kind() const { return kind_; }
  // How activations become integers: of kInt8.
  const Execution& execution() const { return execution_; }
  const void* weights() const { return weights_.data(); }
  const float* scales() const { return scales_.as<float>(); }    // of kInt8 and kBlocks
  CudaPlanes planes() const;                                     // of kSplit
  const float* offsets() const { return offsets_.as<float>(); }  // of kBlocks, or null

 private:
  CudaMatrix(size_t rows, size_t cols, Kind kind, const Execution& execution)
      : rows_(rows), cols_(cols), kind_(kind), execution_(execution) {}

  size_t rows_;
  size_t cols_;
  Kind kind_;
  Execution execution_;
  // Fills a matrix of kSplit.
  void SplitFloats(CudaDevice& device, const EncodedMatrix& weights, ThreadPool& threads);

  CudaBuffer weights_;
  CudaBuffer low_;
  CudaBuffer scales_;
  CudaBuffer offsets_;
};

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CUDA_CUDA_MATRIX_H_

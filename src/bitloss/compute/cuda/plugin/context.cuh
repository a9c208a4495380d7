// One device and its queue, and how the plugin's functions say what went wrong.
#ifndef BITLOSS_COMPUTE_CUDA_PLUGIN_CONTEXT_CUH_
#define BITLOSS_COMPUTE_CUDA_PLUGIN_CONTEXT_CUH_

#include <cuda_runtime.h>

#include "bitloss/compute/cuda/device_api.h"

namespace bitloss {

struct CudaContext {
  int device;
  cudaStream_t stream;
  cudaMemPool_t pool;
  size_t most_bytes;  // of the pool's
  int multiprocessors;
  int compute;  // 90 for capability 9.0
};

// Null for success, else the error in words. Clears it where it can be cleared.
CudaError Told(cudaError_t status, const char* doing);

#define BITLOSS_CUDA(doing, ...)                                           \
  do {                                                                     \
    if (const cudaError_t status = (__VA_ARGS__); status != cudaSuccess) { \
      return Told(status, doing);                                          \
    }                                                                      \
  } while (false)

// Memory of the queue's for one call: what a kernel reads of the host's small arrays, or leaves
// for the host.
class Scratch {
 public:
  explicit Scratch(CudaContext* context) : context_(context) {}
  ~Scratch() {
    if (memory_ != nullptr) cudaFreeAsync(memory_, context_->stream);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  cudaError_t Take(size_t num_bytes) {
    return cudaMallocAsync(&memory_, num_bytes == 0 ? 1 : num_bytes, context_->stream);
  }
  // Host memory may change as soon as this returns: the runtime copies pageable memory first.
  cudaError_t TakeCopy(const void* from, size_t num_bytes) {
    const cudaError_t status = Take(num_bytes);
    if (status != cudaSuccess) return status;
    return cudaMemcpyAsync(memory_, from, num_bytes, cudaMemcpyHostToDevice, context_->stream);
  }
  cudaError_t CopyTo(void* to, size_t num_bytes) const {
    const cudaError_t status =
        cudaMemcpyAsync(to, memory_, num_bytes, cudaMemcpyDeviceToHost, context_->stream);
    return status != cudaSuccess ? status : cudaStreamSynchronize(context_->stream);
  }
  template <class T>
  T* as() const {
    return static_cast<T*>(memory_);
  }

 private:
  CudaContext* context_;
  void* memory_ = nullptr;
};

inline unsigned Parts(size_t count, size_t of_part) {
  return static_cast<unsigned>((count + of_part - 1) / of_part);
}

// The operations, by file; device_api.h says what they do.
CudaError ToPanels(CudaContext* context, const void* from, size_t rows, size_t cols,
                   size_t element_bytes, size_t first_row, void* to);
CudaError GatherRows(CudaContext* context, ConstCudaRows from, const size_t* rows, CudaRows to);
CudaError Read(CudaContext* context, ConstCudaRows from, const size_t* rows, const size_t* cols,
               size_t count, float* values);
CudaError RmsNorm(CudaContext* context, ConstCudaRows x, const float* weight, float eps,
                  CudaRows y);
CudaError Rope(CudaContext* context, const float* cos, const float* sin, const uint32_t* positions,
               size_t head_dim, CudaRows x);
CudaError SwiGlu(CudaContext* context, ConstCudaRows gate, ConstCudaRows up, CudaRows out);
CudaError Add(CudaContext* context, ConstCudaRows delta, CudaRows x);
CudaError Attend(CudaContext* context, const CudaAttention* attention);
CudaError Multiply(CudaContext* context, const CudaProduct* products, size_t count);
CudaError SplitActivations(CudaContext* context, ConstCudaRows x, const CudaPlanes* planes);
CudaError SplitWeights(CudaContext* context, ConstCudaRows weights, size_t first_row,
                       const CudaPlanes* planes, uint32_t* has_low);
CudaError MultiplySplit(CudaContext* context, const CudaPlanes* x, const CudaSplitProduct* products,
                        size_t count);
CudaError RoundRows(CudaContext* context, ConstCudaRows x, const CudaInt8Rows* rows);
CudaError MultiplyInt8(CudaContext* context, const CudaInt8Product* product);
CudaError MultiplyBlocks(CudaContext* context, const CudaBlockProduct* product);
CudaError SumInputs(CudaContext* context, ConstCudaRows x, double* folded);
CudaError QuadraticForms(CudaContext* context, const double* folded, ConstCudaRows deltas,
                         double* sums, double* forms);
CudaError SquaredDistances(CudaContext* context, ConstCudaRows a, ConstCudaRows b, double* sums);
CudaError SumRows(CudaContext* context, ConstCudaRows logits, CudaRowSums* sums);
CudaError CompareRows(CudaContext* context, ConstCudaRows base, ConstCudaRows lane,
                      const CudaComparedRow* rows, CudaDivergence* divergences);
CudaError CopyAll(CudaContext* context, const CudaMove* moves, size_t count);
CudaError FindTop(CudaContext* context, ConstCudaRows logits, size_t k, CudaTop* tops,
                  CudaToken* tokens);
CudaError MeasureLimits(CudaContext* context, CudaLimits* limits);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CUDA_PLUGIN_CONTEXT_CUH_

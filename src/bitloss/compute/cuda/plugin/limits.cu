// What the device can do at most: the yardsticks of `bitloss bench`.
#include <algorithm>

#include "bitloss/compute/cuda/plugin/context.cuh"

namespace bitloss {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kChains = 16;  // of dependent operations, one beside the other
constexpr unsigned kSteps = 4096;
constexpr int kRuns = 5;

__global__ void MultiplyAddKernel(float* sink) {
  float sums[kChains];
  for (unsigned i = 0; i < kChains; ++i) sums[i] = static_cast<float>(threadIdx.x + i);
  const float x = 1.0f + static_cast<float>(blockIdx.x) * 0x1p-24f;
  for (unsigned step = 0; step < kSteps; ++step) {
#pragma unroll
    for (unsigned i = 0; i < kChains; ++i) sums[i] = __fmaf_rn(sums[i], x, 0.5f);
  }
  float sum = 0.0f;
  for (const float s : sums) sum += s;
  if (sum == -1.0f) *sink = sum;  // never: so that it is not left out
}

__global__ void MultiplyBytesKernel(float* sink) {
  int sums[kChains];
  for (unsigned i = 0; i < kChains; ++i) sums[i] = static_cast<int>(threadIdx.x + i);
  const int x = static_cast<int>(blockIdx.x) | 0x01010101;
  for (unsigned step = 0; step < kSteps; ++step) {
#pragma unroll
    for (unsigned i = 0; i < kChains; ++i) sums[i] = __dp4a(x, static_cast<int>(step), sums[i]);
  }
  int sum = 0;
  for (const int s : sums) sum ^= s;
  if (sum == 0x12345678) *sink = 1.0f;
}

// Seconds of the fastest of several runs.
template <class Work>
cudaError_t FastestRun(CudaContext* context, const Work& work, double* seconds) {
  cudaEvent_t begin;
  cudaEvent_t end;
  cudaError_t status = cudaEventCreate(&begin);
  if (status == cudaSuccess) status = cudaEventCreate(&end);
  float best = 1e30f;
  for (int run = 0; run < kRuns && status == cudaSuccess; ++run) {
    cudaEventRecord(begin, context->stream);
    work();
    cudaEventRecord(end, context->stream);
    status = cudaEventSynchronize(end);
    float milliseconds = 0.0f;
    if (status == cudaSuccess) status = cudaEventElapsedTime(&milliseconds, begin, end);
    best = std::min(best, milliseconds);
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  *seconds = best * 1e-3;
  return status;
}

}  // namespace

CudaError MeasureLimits(CudaContext* context, CudaLimits* limits) {
  cudaDeviceProp device;
  BITLOSS_CUDA("measuring limits", cudaGetDeviceProperties(&device, context->device));
  const unsigned blocks = static_cast<unsigned>(device.multiProcessorCount) * 16;
  const double operations = 2.0 * blocks * kThreads * kChains * kSteps;
  Scratch sink(context);
  BITLOSS_CUDA("measuring limits", sink.Take(sizeof(float)));
  double seconds = 0;
  const auto multiply_add = [&] {
    MultiplyAddKernel<<<blocks, kThreads, 0, context->stream>>>(sink.as<float>());
  };
  BITLOSS_CUDA("measuring limits", FastestRun(context, multiply_add, &seconds));
  limits->fma_gflops = 1e-9 * operations / seconds;
  const auto multiply_bytes = [&] {
    MultiplyBytesKernel<<<blocks, kThreads, 0, context->stream>>>(sink.as<float>());
  };
  BITLOSS_CUDA("measuring limits", FastestRun(context, multiply_bytes, &seconds));
  limits->byte_gops = 1e-9 * 4 * operations / seconds;

  // More than caches hold: a sixteenth of the memory, read and written.
  const size_t num_bytes = std::min<size_t>(size_t{2} << 30, device.totalGlobalMem / 16);
  Scratch from(context);
  Scratch to(context);
  BITLOSS_CUDA("measuring limits", from.Take(num_bytes));
  BITLOSS_CUDA("measuring limits", to.Take(num_bytes));
  BITLOSS_CUDA("measuring limits",
               cudaMemsetAsync(from.as<void>(), 1, num_bytes, context->stream));
  const auto copy = [&] {
    cudaMemcpyAsync(to.as<void>(), from.as<void>(), num_bytes, cudaMemcpyDeviceToDevice,
                    context->stream);
  };
  BITLOSS_CUDA("measuring limits", FastestRun(context, copy, &seconds));
  limits->copy_gigabytes = 2e-9 * static_cast<double>(num_bytes) / seconds;
  BITLOSS_CUDA("measuring limits", cudaGetLastError());
  return nullptr;
}

}  // namespace bitloss

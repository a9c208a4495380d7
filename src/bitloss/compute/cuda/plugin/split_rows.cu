// FP32 rows as two planes of FP16 (reference/split_product.h): high = fp16(x s), low = fp16(x s -
// high), s a power of two that puts the largest magnitude that shares it into [2^14, 2^15).
#include <cuda_fp16.h>

#include "bitloss/compute/cuda/plugin/context.cuh"

namespace bitloss {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kThreadsOfChunk = 16;  // four columns each
constexpr uint32_t kInfinity = 0x7f800000;

// s and 1 / s, of the bits of the largest magnitude; 0 and NaN if it is not finite.
struct Scale {
  float scale;
  float factor;

  __device__ explicit Scale(uint32_t top) {
    int exponent = 0;
    if (top >= kInfinity) {
      scale = 0.0f;
      factor = __uint_as_float(0x7fc00000u);
      return;
    }
    // Of subnormal numbers more than 126, which is the most that has a normal inverse.
    if (top != 0) exponent = min(14 - (static_cast<int>(top >> 23) - 127), 126);
    scale = __int_as_float((exponent + 127) << 23);
    factor = __int_as_float((127 - exponent) << 23);
  }
};

__device__ uint32_t Magnitude(float value) { return __float_as_uint(value) & 0x7fffffffu; }

__device__ uint32_t TopOf(const float (&values)[4]) {
  return max(max(Magnitude(values[0]), Magnitude(values[1])),
             max(Magnitude(values[2]), Magnitude(values[3])));
}

// Columns [col, col + 4) of a row; zeros beyond the last.
__device__ void ReadFour(const ConstCudaRows& x, bool aligned, size_t row, size_t col,
                         float (&values)[4]) {
  const float* from = x.data + row * x.stride + col;
  if (aligned && col + 4 <= x.cols) {
    const float4 four = *reinterpret_cast<const float4*>(from);
    values[0] = four.x, values[1] = four.y, values[2] = four.z, values[3] = four.w;
    return;
  }
#pragma unroll
  for (unsigned j = 0; j < 4; ++j) values[j] = col + j < x.cols ? from[j] : 0.0f;
}

// Where four neighbouring columns lie in a plane.
__device__ size_t PlaceOf(const CudaPlanes& planes, size_t row, size_t col) {
  constexpr unsigned kOfSixteen = 8;
  const size_t block = row / kCudaSplitRows * planes.chunks + col / kCudaSplitChunk;
  const unsigned in_block = static_cast<unsigned>(row % kCudaSplitRows);
  const unsigned in_chunk = static_cast<unsigned>(col % kCudaSplitChunk);
  return (block * kCudaSplitRows + in_block) * kCudaSplitChunk +
         (in_chunk / kOfSixteen ^ in_block % 8) * kOfSixteen + in_chunk % kOfSixteen;
}

// Returns whether a low half is not zero.
__device__ bool WriteFour(const CudaPlanes& planes, size_t row, size_t col, const Scale& scale,
                          const float (&values)[4]) {
  __half high[4];
  __half low[4];
  bool has_low = false;
#pragma unroll
  for (unsigned j = 0; j < 4; ++j) {
    const float scaled = scale.scale == 0.0f ? 0.0f : __fmul_rn(values[j], scale.scale);
    high[j] = __float2half_rn(scaled);
    low[j] = __float2half_rn(__fsub_rn(scaled, __half2float(high[j])));
    has_low |= (__half_as_ushort(low[j]) & 0x7fff) != 0;
  }
  const size_t at = PlaceOf(planes, row, col);
  *reinterpret_cast<uint2*>(planes.high + at) = *reinterpret_cast<const uint2*>(high);
  *reinterpret_cast<uint2*>(planes.low + at) = *reinterpret_cast<const uint2*>(low);
  return has_low;
}

__global__ void __launch_bounds__(kThreads)
    ActivationsKernel(const ConstCudaRows x, const CudaPlanes planes, bool aligned) {
  const size_t item =
      size_t{blockIdx.x} * (kThreads / kThreadsOfChunk) + threadIdx.x / kThreadsOfChunk;
  const size_t row = item / planes.chunks;
  const size_t chunk = item % planes.chunks;
  const bool exists = row < x.rows;
  const size_t col = chunk * kCudaSplitChunk + threadIdx.x % kThreadsOfChunk * 4;
  float values[4] = {};
  if (exists) ReadFour(x, aligned, row, col, values);
  uint32_t top = TopOf(values);
#pragma unroll
  for (unsigned half = kThreadsOfChunk / 2; half > 0; half /= 2) {
    top = max(top, __shfl_xor_sync(0xffffffffu, top, half));
  }
  if (!exists) return;
  const Scale scale(top);
  WriteFour(planes, row, col, scale, values);
  if (threadIdx.x % kThreadsOfChunk == 0) {
    planes.factors[(row / kCudaSplitRows * planes.chunks + chunk) * kCudaSplitRows +
                   row % kCudaSplitRows] = scale.factor;
  }
}

// A block of threads for each row.
__global__ void __launch_bounds__(kThreads)
    WeightsKernel(const ConstCudaRows weights, size_t first_row, const CudaPlanes planes,
                  bool aligned, uint32_t* has_low) {
  __shared__ uint32_t tops[kThreads / 32];
  const size_t row = blockIdx.x;
  uint32_t top = 0;
  float values[4];
  for (size_t col = threadIdx.x * 4; col < planes.chunks * kCudaSplitChunk; col += kThreads * 4) {
    ReadFour(weights, aligned, row, col, values);
    top = max(top, TopOf(values));
  }
  top = __reduce_max_sync(0xffffffffu, top);
  if (threadIdx.x % 32 == 0) tops[threadIdx.x / 32] = top;
  __syncthreads();
  for (unsigned warp = 0; warp < kThreads / 32; ++warp) top = max(top, tops[warp]);
  const Scale scale(top);
  bool found = false;
  for (size_t col = threadIdx.x * 4; col < planes.chunks * kCudaSplitChunk; col += kThreads * 4) {
    ReadFour(weights, aligned, row, col, values);
    found |= WriteFour(planes, first_row + row, col, scale, values);
  }
  if (found) *has_low = 1;
  if (threadIdx.x == 0) planes.factors[first_row + row] = scale.factor;
}

bool HasAlignedFours(const ConstCudaRows& x) {
  return x.stride % 4 == 0 && reinterpret_cast<uintptr_t>(x.data) % 16 == 0;
}

}  // namespace

CudaError SplitActivations(CudaContext* context, ConstCudaRows x, const CudaPlanes* planes) {
  const size_t items = x.rows * planes->chunks;
  if (items == 0) return nullptr;
  ActivationsKernel<<<Parts(items, kThreads / kThreadsOfChunk), kThreads, 0, context->stream>>>(
      x, *planes, HasAlignedFours(x));
  BITLOSS_CUDA("splitting activations", cudaGetLastError());
  return nullptr;
}

CudaError SplitWeights(CudaContext* context, ConstCudaRows weights, size_t first_row,
                       const CudaPlanes* planes, uint32_t* has_low) {
  if (weights.rows == 0) return nullptr;
  WeightsKernel<<<static_cast<unsigned>(weights.rows), kThreads, 0, context->stream>>>(
      weights, first_row, *planes, HasAlignedFours(weights), has_low);
  BITLOSS_CUDA("splitting weights", cudaGetLastError());
  return nullptr;
}

}  // namespace bitloss

// The largest logits of each row. A block of threads takes one row.
#include <math_constants.h>

#include "bitloss/compute/cuda/plugin/context.cuh"

namespace bitloss {
namespace {

constexpr unsigned kThreads = 1024;
constexpr unsigned kAll = 0xffffffffu;
constexpr unsigned kBins = 256;

// Rises with x; the two zeros are equal, as they are in a comparison. Requires: x is no NaN.
__device__ unsigned Key(float x) {
  const unsigned bits = x == 0.0f ? 0u : __float_as_uint(x);
  return bits ^ (bits >> 31 != 0 ? kAll : 0x80000000u);
}

__device__ bool AllComparable(const ConstCudaRows& logits, const float* row) {
  bool comparable = true;
  for (size_t i = threadIdx.x; i < logits.cols; i += kThreads) comparable &= row[i] < CUDART_INF_F;
  return __syncthreads_and(comparable) != 0;
}

// The key and the column as one number: a larger key first, then a lower column.
__device__ unsigned long long Rank(unsigned key, unsigned col) {
  return (static_cast<unsigned long long>(key) << 32) | (kAll - col);
}

__global__ void __launch_bounds__(kThreads)
    FindLargestKernel(ConstCudaRows logits, CudaTop* tops, CudaToken* tokens) {
  __shared__ unsigned long long ranks[kThreads / 32];
  const float* row = logits.data + blockIdx.x * logits.stride;
  unsigned long long best = 0;
  bool comparable = true;
  for (size_t i = threadIdx.x; i < logits.cols; i += kThreads) {
    const float x = row[i];
    comparable &= x < CUDART_INF_F;
    const unsigned long long rank = Rank(Key(x), static_cast<unsigned>(i));
    best = rank > best ? rank : best;
  }
  for (unsigned half = 16; half > 0; half /= 2) {
    const unsigned long long other = __shfl_down_sync(kAll, best, half);
    best = other > best ? other : best;
  }
  if (threadIdx.x % 32 == 0) ranks[threadIdx.x / 32] = best;
  comparable = __syncthreads_and(comparable) != 0;
  if (threadIdx.x != 0) return;
  for (const unsigned long long rank : ranks) best = rank > best ? rank : best;
  const unsigned col = kAll - static_cast<unsigned>(best);
  tops[blockIdx.x] = {comparable ? 1 : 0, 1};
  tokens[blockIdx.x] = {static_cast<int32_t>(col), row[col]};
}

// The k-th largest key, byte by byte from the highest: how many keys with the bytes found so far
// have each next byte.
__device__ unsigned FindKthKey(const ConstCudaRows& logits, const float* row, unsigned k,
                               unsigned (&bins)[kBins]) {
  __shared__ unsigned found;
  __shared__ unsigned still;
  unsigned prefix = 0;
  for (int shift = 24; shift >= 0; shift -= 8) {
    for (unsigned i = threadIdx.x; i < kBins; i += kThreads) bins[i] = 0;
    __syncthreads();
    for (size_t i = threadIdx.x; i < logits.cols; i += kThreads) {
      const unsigned key = Key(row[i]);
      if (shift == 24 || key >> (shift + 8) == prefix) atomicAdd(&bins[key >> shift & 0xffu], 1u);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      unsigned bin = kBins - 1;
      while (bins[bin] < k) k -= bins[bin--];
      found = prefix << 8 | bin;
      still = k;
    }
    __syncthreads();
    prefix = found;
    k = still;
  }
  return prefix;
}

// All with the k-th largest key or a larger one, in any order: at least k.
__global__ void __launch_bounds__(kThreads)
    FindTopKernel(ConstCudaRows logits, unsigned k, CudaTop* tops, CudaToken* tokens) {
  __shared__ unsigned bins[kBins];
  __shared__ unsigned count;
  const float* row = logits.data + blockIdx.x * logits.stride;
  if (!AllComparable(logits, row)) {
    if (threadIdx.x == 0) tops[blockIdx.x] = {0, 0};
    return;
  }
  const unsigned least = FindKthKey(logits, row, k, bins);
  if (threadIdx.x == 0) count = 0;
  __syncthreads();
  for (size_t i = threadIdx.x; i < logits.cols; i += kThreads) {
    if (Key(row[i]) < least) continue;
    const unsigned at = atomicAdd(&count, 1u);
    if (at < kMostCudaTokens) {
      tokens[blockIdx.x * kMostCudaTokens + at] = {static_cast<int32_t>(i), row[i]};
    }
  }
  __syncthreads();
  if (threadIdx.x == 0) tops[blockIdx.x] = {1, count};
}

}  // namespace

CudaError FindTop(CudaContext* context, ConstCudaRows logits, size_t k, CudaTop* tops,
                  CudaToken* tokens) {
  if (logits.rows == 0) return nullptr;
  const size_t tokens_of_row = k == 1 ? 1 : kMostCudaTokens;
  Scratch found_tops(context);
  Scratch found_tokens(context);
  BITLOSS_CUDA("choosing tokens", found_tops.Take(logits.rows * sizeof(CudaTop)));
  BITLOSS_CUDA("choosing tokens",
               found_tokens.Take(logits.rows * tokens_of_row * sizeof(CudaToken)));
  const unsigned rows = static_cast<unsigned>(logits.rows);
  if (k == 1) {
    FindLargestKernel<<<rows, kThreads, 0, context->stream>>>(logits, found_tops.as<CudaTop>(),
                                                              found_tokens.as<CudaToken>());
  } else {
    FindTopKernel<<<rows, kThreads, 0, context->stream>>>(logits, static_cast<unsigned>(k),
                                                          found_tops.as<CudaTop>(),
                                                          found_tokens.as<CudaToken>());
  }
  BITLOSS_CUDA("choosing tokens", cudaGetLastError());
  BITLOSS_CUDA("choosing tokens", found_tops.CopyTo(tops, logits.rows * sizeof(CudaTop)));
  BITLOSS_CUDA("choosing tokens",
               found_tokens.CopyTo(tokens, logits.rows * tokens_of_row * sizeof(CudaToken)));
  return nullptr;
}

}  // namespace bitloss

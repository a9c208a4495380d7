// What both tiles of float products (wide_tile.cuh, thin_tile.cuh) read and how they begin.
//
// Weights lie in panels of kCudaPanel outputs, [k][kCudaPanel], as FP32 or FP16. An output element
// is one chain of fused multiply-adds in ascending k; no bit depends on a tile's size.
#ifndef BITLOSS_COMPUTE_CUDA_PLUGIN_FLOAT_OPERANDS_CUH_
#define BITLOSS_COMPUTE_CUDA_PLUGIN_FLOAT_OPERANDS_CUH_

#include <cuda_fp16.h>

#include "bitloss/compute/cuda/plugin/context.cuh"

namespace bitloss {

struct FloatOperands {
  const float* x;  // [rows][x_stride]
  size_t x_stride;
  size_t rows;
  unsigned depth;     // steps of k
  bool x_is_aligned;  // fours of x can be read at once
};

// Weights of one of the products that a launch makes.
template <class Stored>
struct FloatWeights {
  const Stored* panels;
  size_t outputs_end;  // of the last panel

  // Requires: out < outputs_end.
  __device__ const Stored* At(unsigned depth, unsigned k, size_t out) const {
    return panels + (out / kCudaPanel * depth + k) * kCudaPanel + out % kCudaPanel;
  }
};

// Four or eight stored weights as floats.
__device__ inline void WidenFour(const float* from, float (&to)[4]) {
  const float4 four = *reinterpret_cast<const float4*>(from);
  to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
}
__device__ inline void WidenFour(const __half* from, float (&to)[4]) {
  const uint2 four = *reinterpret_cast<const uint2*>(from);
  const float2 low = __half22float2(reinterpret_cast<const __half2&>(four.x));
  const float2 high = __half22float2(reinterpret_cast<const __half2&>(four.y));
  to[0] = low.x, to[1] = low.y, to[2] = high.x, to[3] = high.y;
}

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CUDA_PLUGIN_FLOAT_OPERANDS_CUH_

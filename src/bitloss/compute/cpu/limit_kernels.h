// Loops that do nothing but keep one unit of the processor busy.
#ifndef BITLOSS_COMPUTE_CPU_LIMIT_KERNELS_H_
#define BITLOSS_COMPUTE_CPU_LIMIT_KERNELS_H_

#include <cstddef>
#include <cstdint>

namespace bitloss {

// The kernels of one instruction set; null where it has no fused multiply-add. Each returns what it
// did and adds to *sink something that depends on all of it, so that no compiler leaves it out.
struct LimitKernels {
  // FP32 operations: two for each lane of a fused multiply-add.
  double (*multiply_add)(size_t repeats, float* sink) = nullptr;
  // The same by the loop of every product (tile_product-inl.h), operands from the first-level
  // cache.
  double (*multiply_tile)(size_t repeats, float* sink) = nullptr;
  // Integer operations: two for each product of bytes. Null without VNNI.
  double (*multiply_bytes)(size_t repeats, float* sink) = nullptr;
  // Bytes read.
  double (*read)(const float* from, size_t count, float* sink) = nullptr;
};

// `target`: one bit of hwy::SupportedTargets().
LimitKernels LimitKernelsFor(int64_t target);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CPU_LIMIT_KERNELS_H_

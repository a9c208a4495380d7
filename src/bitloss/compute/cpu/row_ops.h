// The operations that work on one row at a time: norms, rotations, activations, sums.
#ifndef BITLOSS_COMPUTE_CPU_ROW_OPS_H_
#define BITLOSS_COMPUTE_CPU_ROW_OPS_H_

#include <cstddef>
#include <cstdint>

#include "bitloss/compute/backend.h"

namespace bitloss {

// The kernels of one instruction set; null where it has no fused multiply-add. Formulas: backend.h.
struct RowKernels {
  // The sum of squares is striped by 16: stripe j sums i = j (mod 16), ascending, and the stripes
  // are added in halves (8 to 8, 4 to 4, ...). y may be x.
  void (*rms_norm)(const float* x, const float* weight, size_t size, float eps, float* y) = nullptr;

  // The mean is a sum striped in the same way, divided by the size.
  void (*center)(const float* x, size_t size, float* y) = nullptr;

  // The rotated part of one head, [2 * half] floats, in place.
  void (*rope)(const float* cos, const float* sin, size_t half, float* head) = nullptr;
  void (*rope_neighbours)(const float* cos, const float* sin, size_t half, float* head) = nullptr;

  // out may be gate or up.
  void (*gate)(const GatedUnit& unit, const float* gate, const float* up, size_t size,
               float* out) = nullptr;

  void (*soft_cap)(float cap, size_t size, float* x) = nullptr;

  void (*add)(const float* delta, size_t size, float* x) = nullptr;

  // y[i] = e^x[i]; the exponential that gates and attention use, for its test.
  void (*exp)(const float* x, size_t size, float* y) = nullptr;
};

// `target`: one bit of hwy::SupportedTargets().
RowKernels RowKernelsFor(int64_t target);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CPU_ROW_OPS_H_

// The instruction sets that metrics are compiled for. To be included before anything of Highway.
//
// The metrics give the same bits on every one of them. That needs a fused multiply-add, so x86
// targets without one are left out (such a processor runs the scalar target, which fuses in
// software: right, and slow), and so are targets whose vector length is not known when compiling.
#ifndef BITLOSS_METRICS_SIMD_TARGETS_H_
#define BITLOSS_METRICS_SIMD_TARGETS_H_

#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)

#endif  // BITLOSS_METRICS_SIMD_TARGETS_H_

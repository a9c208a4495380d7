// Sums whose order does not depend on the width of a vector: 16 stripes, merged in halves.
#if defined(BITLOSS_COMPUTE_CPU_STRIPED_SUM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BITLOSS_COMPUTE_CPU_STRIPED_SUM_INL_H_
#undef BITLOSS_COMPUTE_CPU_STRIPED_SUM_INL_H_
#else
#define BITLOSS_COMPUTE_CPU_STRIPED_SUM_INL_H_
#endif

#include "bitloss/compute/cpu/tile_product-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace bitloss {
namespace HWY_NAMESPACE {

constexpr size_t kStripes = 16;
constexpr size_t kStripeVectors = kStripes / kLanes;

// Adds stripes[8..15] to stripes[0..7], then [4..7] to [0..3], ...
HWY_INLINE float MergeStripes(float* HWY_RESTRICT stripes) {
  for (size_t half = kStripes / 2; half > 0; half /= 2) {
    for (size_t j = 0; j < half; ++j) stripes[j] += stripes[j + half];
  }
  return stripes[0];
}

// The first `count` < kLanes floats at `from`, then zeros. Reads no more than that.
HWY_INLINE FloatVector LoadFirst(const float* HWY_RESTRICT from, size_t count) {
  HWY_ALIGN float copy[kLanes] = {};
  CopyFloats(from, count, copy);
  return hn::Load(FloatTag(), copy);
}

HWY_INLINE void StoreFirst(FloatVector values, size_t count, float* HWY_RESTRICT to) {
  HWY_ALIGN float copy[kLanes];
  hn::Store(values, FloatTag(), copy);
  CopyFloats(copy, count, to);
}

}  // namespace HWY_NAMESPACE
}  // namespace bitloss
HWY_AFTER_NAMESPACE();

#endif  // BITLOSS_COMPUTE_CPU_STRIPED_SUM_INL_H_

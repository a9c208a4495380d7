#include "bitloss/compute/cpu/row_ops.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bitloss/compute/cpu/row_ops.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// After highway.h:
#if HWY_TARGET != HWY_SCALAR
#include "bitloss/compute/cpu/exp-inl.h"
#include "bitloss/compute/cpu/striped_sum-inl.h"
#include "bitloss/compute/cpu/tile_product-inl.h"
#endif

HWY_BEFORE_NAMESPACE();
namespace bitloss {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

RowKernels RowKernelsOfTarget() { return {}; }

#else

// out[i] = op(a[i], b[i]) for whole vectors, then for the rest.
template <class Op>
HWY_INLINE void Map(const float* a, const float* b, size_t size, float* out, const Op& op) {
  const FloatTag d;
  size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    hn::StoreU(op(hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, out + i);
  }
  if (i < size)
    StoreFirst(op(LoadFirst(a + i, size - i), LoadFirst(b + i, size - i)), size - i, out + i);
}

float SumOfSquares(const float* x, size_t size) {
  const FloatTag d;
  FloatVector sum[kStripeVectors];
  for (FloatVector& s : sum) s = hn::Zero(d);
  size_t i = 0;
  for (; i + kStripes <= size; i += kStripes) {
    for (size_t v = 0; v < kStripeVectors; ++v) {
      const FloatVector values = hn::LoadU(d, x + i + v * kLanes);
      sum[v] = hn::MulAdd(values, values, sum[v]);
    }
  }
  for (size_t v = 0; v < kStripeVectors && i + v * kLanes < size; ++v) {
    const size_t count = HWY_MIN(kLanes, size - (i + v * kLanes));
    const FloatVector values = LoadFirst(x + i + v * kLanes, count);
    sum[v] = hn::MulAdd(values, values, sum[v]);
  }
  HWY_ALIGN float stripes[kStripes];
  for (size_t v = 0; v < kStripeVectors; ++v) hn::Store(sum[v], d, stripes + v * kLanes);
  return MergeStripes(stripes);
}

void RmsNorm(const float* x, const float* weight, size_t size, float eps, float* y) {
  const float mean = SumOfSquares(x, size) / static_cast<float>(size);
  const FloatVector scale = hn::Set(FloatTag(), 1.0f / std::sqrt(mean + eps));
  Map(x, weight, size, y,
      [&](FloatVector value, FloatVector w) HWY_ATTR { return hn::Mul(hn::Mul(value, scale), w); });
}

HWY_INLINE void Rotate(FloatVector cos, FloatVector sin, FloatVector& a, FloatVector& b) {
  const FloatVector rotated = hn::NegMulAdd(b, sin, hn::Mul(a, cos));
  b = hn::MulAdd(a, sin, hn::Mul(b, cos));
  a = rotated;
}

void Rope(const float* cos, const float* sin, size_t half, float* head) {
  const FloatTag d;
  size_t i = 0;
  for (; i + kLanes <= half; i += kLanes) {
    FloatVector a = hn::LoadU(d, head + i);
    FloatVector b = hn::LoadU(d, head + half + i);
    Rotate(hn::LoadU(d, cos + i), hn::LoadU(d, sin + i), a, b);
    hn::StoreU(a, d, head + i);
    hn::StoreU(b, d, head + half + i);
  }
  if (i < half) {
    const size_t rest = half - i;
    FloatVector a = LoadFirst(head + i, rest);
    FloatVector b = LoadFirst(head + half + i, rest);
    Rotate(LoadFirst(cos + i, rest), LoadFirst(sin + i, rest), a, b);
    StoreFirst(a, rest, head + i);
    StoreFirst(b, rest, head + half + i);
  }
}

void SwiGlu(const float* gate, const float* up, size_t size, float* out) {
  const FloatVector one = hn::Set(FloatTag(), 1.0f);
  Map(gate, up, size, out, [&](FloatVector z, FloatVector u) HWY_ATTR {
    return hn::Mul(hn::Div(z, hn::Add(one, Exp(hn::Neg(z)))), u);
  });
}

void Add(const float* delta, size_t size, float* x) {
  Map(x, delta, size, x, [](FloatVector a, FloatVector b) HWY_ATTR { return hn::Add(a, b); });
}

void ExpOfRow(const float* x, size_t size, float* y) {
  Map(x, x, size, y, [](FloatVector a, FloatVector) HWY_ATTR { return Exp(a); });
}

RowKernels RowKernelsOfTarget() {
  return {.rms_norm = RmsNorm, .rope = Rope, .swiglu = SwiGlu, .add = Add, .exp = ExpOfRow};
}

#endif  // HWY_TARGET

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bitloss
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "bitloss/compute/cpu/dispatch.h"

namespace bitloss {
namespace {
HWY_EXPORT(RowKernelsOfTarget);
}  // namespace

RowKernels RowKernelsFor(int64_t target) { return BITLOSS_KERNELS_FOR(target, RowKernelsOfTarget); }

}  // namespace bitloss
#endif  // HWY_ONCE

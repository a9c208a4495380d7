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
#include "bitloss/compute/cpu/tanh-inl.h"
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

// The sum of term(sum, x[i]), i striped by 16: term adds one vector's to another.
template <class Term>
HWY_INLINE float StripedSum(const float* x, size_t size, const Term& term) {
  const FloatTag d;
  FloatVector sum[kStripeVectors];
  for (FloatVector& s : sum) s = hn::Zero(d);
  size_t i = 0;
  for (; i + kStripes <= size; i += kStripes) {
    for (size_t v = 0; v < kStripeVectors; ++v) {
      sum[v] = term(sum[v], hn::LoadU(d, x + i + v * kLanes));
    }
  }
  for (size_t v = 0; v < kStripeVectors && i + v * kLanes < size; ++v) {
    const size_t count = HWY_MIN(kLanes, size - (i + v * kLanes));
    sum[v] = term(sum[v], LoadFirst(x + i + v * kLanes, count));
  }
  HWY_ALIGN float stripes[kStripes];
  for (size_t v = 0; v < kStripeVectors; ++v) hn::Store(sum[v], d, stripes + v * kLanes);
  return MergeStripes(stripes);
}

void RmsNorm(const float* x, const float* weight, size_t size, float eps, float* y) {
  const float squares = StripedSum(
      x, size, [](FloatVector sum, FloatVector v) HWY_ATTR { return hn::MulAdd(v, v, sum); });
  const float mean = squares / static_cast<float>(size);
  const FloatVector scale = hn::Set(FloatTag(), 1.0f / std::sqrt(mean + eps));
  Map(x, weight, size, y,
      [&](FloatVector value, FloatVector w) HWY_ATTR { return hn::Mul(hn::Mul(value, scale), w); });
}

void Center(const float* x, size_t size, float* y) {
  const float sum = StripedSum(
      x, size, [](FloatVector total, FloatVector v) HWY_ATTR { return hn::Add(total, v); });
  const FloatVector mean = hn::Set(FloatTag(), sum / static_cast<float>(size));
  Map(x, x, size, y, [&](FloatVector value, FloatVector) HWY_ATTR { return hn::Sub(value, mean); });
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

void RopeNeighbours(const float* cos, const float* sin, size_t half, float* head) {
  const FloatTag d;
  size_t i = 0;
  for (; i + kLanes <= half; i += kLanes) {
    FloatVector a;
    FloatVector b;
    hn::LoadInterleaved2(d, head + 2 * i, a, b);
    Rotate(hn::LoadU(d, cos + i), hn::LoadU(d, sin + i), a, b);
    hn::StoreInterleaved2(a, b, d, head + 2 * i);
  }
  if (i == half) return;
  const size_t rest = half - i;
  HWY_ALIGN float pairs[2 * kLanes] = {};
  CopyFloats(head + 2 * i, 2 * rest, pairs);
  FloatVector a;
  FloatVector b;
  hn::LoadInterleaved2(d, pairs, a, b);
  Rotate(LoadFirst(cos + i, rest), LoadFirst(sin + i, rest), a, b);
  hn::StoreInterleaved2(a, b, d, pairs);
  CopyFloats(pairs, 2 * rest, head + 2 * i);
}

// 1 / (1 + e^-z), times `by`.
HWY_INLINE FloatVector TimesSigmoid(FloatVector by, FloatVector z) {
  return hn::Div(by, hn::Add(hn::Set(FloatTag(), 1.0f), Exp(hn::Neg(z))));
}

HWY_INLINE FloatVector GeluTanh(FloatVector z) {
  const FloatTag d;
  const FloatVector cube = hn::Mul(hn::Mul(z, z), z);
  const FloatVector inner =
      hn::Mul(hn::Set(d, 0x1.988454p-1f), hn::MulAdd(hn::Set(d, 0.044715f), cube, z));
  return hn::Mul(hn::Mul(hn::Set(d, 0.5f), z), hn::Add(hn::Set(d, 1.0f), Tanh(inner)));
}

void Gate(const GatedUnit& unit, const float* gate, const float* up, size_t size, float* out) {
  const FloatTag d;
  switch (unit.gating) {
    case Gating::kSilu:
      return Map(gate, up, size, out, [](FloatVector z, FloatVector u) HWY_ATTR {
        return hn::Mul(TimesSigmoid(z, z), u);
      });
    case Gating::kGeluTanh:
      return Map(gate, up, size, out,
                 [](FloatVector z, FloatVector u) HWY_ATTR { return hn::Mul(GeluTanh(z), u); });
    case Gating::kReluSquared:
      return Map(up, up, size, out, [d](FloatVector u, FloatVector) HWY_ATTR {
        const FloatVector kept = hn::Max(u, hn::Zero(d));
        return hn::Mul(kept, kept);
      });
    case Gating::kClamped: {
      const FloatVector limit = hn::Set(d, unit.limit);
      const FloatVector alpha = hn::Set(d, unit.alpha);
      return Map(gate, up, size, out, [&](FloatVector z, FloatVector u) HWY_ATTR {
        z = hn::Min(z, limit);
        u = hn::Max(hn::Min(u, limit), hn::Neg(limit));
        return hn::Mul(hn::Add(u, hn::Set(d, 1.0f)), TimesSigmoid(z, hn::Mul(alpha, z)));
      });
    }
    case Gating::kSigmoid:
      return Map(gate, up, size, out,
                 [](FloatVector z, FloatVector u) HWY_ATTR { return TimesSigmoid(u, z); });
    case Gating::kProduct:
      return Map(gate, up, size, out,
                 [](FloatVector z, FloatVector u) HWY_ATTR { return hn::Mul(z, u); });
  }
}

void SoftCap(float cap, size_t size, float* x) {
  const FloatVector limit = hn::Set(FloatTag(), cap);
  Map(x, x, size, x, [&](FloatVector value, FloatVector) HWY_ATTR {
    return hn::Mul(limit, Tanh(hn::Div(value, limit)));
  });
}

void Add(const float* delta, size_t size, float* x) {
  Map(x, delta, size, x, [](FloatVector a, FloatVector b) HWY_ATTR { return hn::Add(a, b); });
}

void ExpOfRow(const float* x, size_t size, float* y) {
  Map(x, x, size, y, [](FloatVector a, FloatVector) HWY_ATTR { return Exp(a); });
}

RowKernels RowKernelsOfTarget() {
  return {.rms_norm = RmsNorm,
          .center = Center,
          .rope = Rope,
          .rope_neighbours = RopeNeighbours,
          .gate = Gate,
          .soft_cap = SoftCap,
          .add = Add,
          .exp = ExpOfRow};
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

// e^x for vectors of FP32, the same bits for every vector width: explicit fused multiply-adds, no
// other contraction.
//
// For |error| see the test: at most 1.0 units in the last place of the exact value for results that
// are normal floats, and 1 unit of 2^-149 below them. exp(-inf) = 0, exp(inf) = inf, NaN stays NaN,
// exp(0) = 1 exactly.
#if defined(BITLOSS_COMPUTE_CPU_EXP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BITLOSS_COMPUTE_CPU_EXP_INL_H_
#undef BITLOSS_COMPUTE_CPU_EXP_INL_H_
#else
#define BITLOSS_COMPUTE_CPU_EXP_INL_H_
#endif

#include "bitloss/compute/cpu/tile_product-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace bitloss {
namespace HWY_NAMESPACE {

// 2^n y for n in [-150, 128], rounded once.
HWY_INLINE FloatVector TimesPowerOfTwo(FloatVector y, FloatVector n) {
#if HWY_MAX_BYTES == 64
  return FloatVector{_mm512_scalef_ps(y.raw, n.raw)};
#else
  // As two factors, since 2^n alone may not be a normal float.
  const FloatTag d;
  const hn::RebindToSigned<FloatTag> di;
  const auto bias = hn::Set(di, 127);
  const auto n_int = hn::ConvertTo(di, n);
  const auto half = hn::ShiftRight<1>(n_int);
  const auto rest = hn::Sub(n_int, half);
  y = hn::Mul(y, hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(half, bias))));
  return hn::Mul(y, hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(rest, bias))));
#endif
}

// e^x = 2^n e^r, n = round(x / ln 2), |r| <= ln 2 / 2. ln 2 is split in two so that n * kLn2High is
// exact; the constants are from tools/golden/exp_f32_polynomial.py.
HWY_INLINE FloatVector Exp(FloatVector x) {
  const FloatTag d;
  constexpr float kLog2E = 0x1.715476p+0f;
  constexpr float kLn2High = 0x1.62e400p-1f;  // 15 bits: n * kLn2High is exact for |n| < 512
  constexpr float kLn2Low = 0x1.7f7d1cp-20f;
  constexpr float kUnderflow = -0x1.9fe368p+6f;  // below it e^x rounds to 0
  constexpr float kHighest = 89.0f;              // the arithmetic below gives infinity
  // Adding it leaves the nearest integer in the lowest bits.
  constexpr float kRounder = 0x1.8p+23f;

  // Masked scores are -inf. Taken out before the arithmetic, not by it: a result that underflows
  // costs some processors a hundred cycles.
  const auto is_zero = hn::Lt(x, hn::Set(d, kUnderflow));  // false for NaN
  x = hn::IfThenZeroElse(is_zero, x);
  // The second operand is the one that survives if it is NaN.
  x = hn::Min(hn::Set(d, kHighest), x);
  const FloatVector n =
      hn::Sub(hn::MulAdd(x, hn::Set(d, kLog2E), hn::Set(d, kRounder)), hn::Set(d, kRounder));
  FloatVector r = hn::NegMulAdd(n, hn::Set(d, kLn2High), x);
  r = hn::NegMulAdd(n, hn::Set(d, kLn2Low), r);

  FloatVector p = hn::Set(d, 0x1.6d10fep-10f);
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.120b64p-7f));
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.55551ap-5f));
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.5554dep-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 0x1p-1f));
  p = hn::MulAdd(p, hn::Mul(r, r), r);
  p = hn::Add(p, hn::Set(d, 1.0f));
  return hn::IfThenZeroElse(is_zero, TimesPowerOfTwo(p, n));
}

}  // namespace HWY_NAMESPACE
}  // namespace bitloss
HWY_AFTER_NAMESPACE();

#endif  // BITLOSS_COMPUTE_CPU_EXP_INL_H_

// e^x for vectors of doubles, the same bits on every target.
//
//   n = round(x / ln 2),  r = x - n ln 2,  |r| <= ln(2)/2
//   e^x = 2^n (1 + r + r^2 Q(r))
//
// Q has degree 9; its coefficients and its error (0.15 * 2^-53 relative) come from
// tools/golden/exp_polynomial.py. The rounding of r and of the last addition come on top: the
// result is within 1.1 ulp of the true value in all tests; 2 ulp is what callers may rely on.
#if defined(BITLOSS_METRICS_EXP_INL_H_) == defined(HWY_TARGET_TOGGLE)  // once per target
#ifdef BITLOSS_METRICS_EXP_INL_H_
#undef BITLOSS_METRICS_EXP_INL_H_
#else
#define BITLOSS_METRICS_EXP_INL_H_
#endif

#include <cmath>
#include <cstddef>

#include "bitloss/metrics/exp_range.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace bitloss {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// a * b + c with one rounding. Highway's MulAdd rounds twice where the target has no such
// instruction.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V FusedMulAdd(D d, V a, V b, V c) {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
  constexpr size_t kLanes = hn::MaxLanes(D());
  HWY_ALIGN double x[kLanes], y[kLanes], z[kLanes];
  hn::Store(a, d, x);
  hn::Store(b, d, y);
  hn::Store(c, d, z);
  for (size_t i = 0; i < kLanes; ++i) x[i] = std::fma(x[i], y[i], z[i]);
  return hn::Load(d, x);
#else
  (void)d;
  return hn::MulAdd(a, b, c);
#endif
}

// e^x. Requires: x <= 700, not NaN; with ExpRange::kNormal, x >= -707.
// -inf gives 0; a result below 2^-1075 gives 0.
template <ExpRange kRange, class D, class V = hn::Vec<D>>
HWY_INLINE V Exp(D d, V x) {
  const hn::RebindToUnsigned<D> du;
  // Adding 1.5 * 2^52 leaves the nearest integer in the low bits; 4096 more keeps it positive.
  constexpr double kBias = 4096.0;
  constexpr double kShifter = 0x1.8p52 + kBias;
  // 2^-1154 is zero after rounding, and so is everything below.
  if constexpr (kRange == ExpRange::kUnderflow) x = hn::Max(x, hn::Set(d, -800.0));

  const V shifted = FusedMulAdd(d, x, hn::Set(d, 0x1.71547652b82fep+0), hn::Set(d, kShifter));
  const V n = hn::Sub(shifted, hn::Set(d, kShifter));
  V r = FusedMulAdd(d, n, hn::Set(d, -0x1.62e42fefa39efp-1), x);
  r = FusedMulAdd(d, n, hn::Set(d, -0x1.abc9e3b39803fp-56), r);

  // Q by Estrin's scheme: the same operations on every target, and a short chain.
  const auto pair = [&](double high, double low)
                        HWY_ATTR { return FusedMulAdd(d, r, hn::Set(d, high), hn::Set(d, low)); };
  const V r2 = hn::Mul(r, r);
  const V q01 = pair(0x1.5555555555556p-3, 0x1.0000000000001p-1);
  const V q23 = pair(0x1.11111111109b5p-7, 0x1.5555555553d68p-5);
  const V q45 = pair(0x1.a01a01a7c2efep-13, 0x1.6c16c17889ef1p-10);
  const V q67 = pair(0x1.71de0db2f6b19p-19, 0x1.a019b9149a41cp-16);
  const V q89 = pair(0x1.af389ecfc4bb6p-26, 0x1.28917c89a43bcp-22);
  V q = FusedMulAdd(d, q89, r2, q67);
  q = FusedMulAdd(d, q, r2, q45);
  q = FusedMulAdd(d, q, r2, q23);
  q = FusedMulAdd(d, q, r2, q01);
  const V mantissa = hn::Add(FusedMulAdd(d, q, r2, r), hn::Set(d, 1.0));

  const auto bits = hn::BitCast(du, shifted);  // n + 4096 in the low bits
  if constexpr (kRange == ExpRange::kNormal) {
    // 4096 is lost in the shift, as is all above it: n is added to the exponent.
    return hn::BitCast(d, hn::Add(hn::BitCast(du, mantissa), hn::ShiftLeft<52>(bits)));
  } else {
    // 2^n as a product of two powers, each a normal number: the first multiplication is exact.
    const auto half = hn::ShiftRight<1>(bits);
    const auto rest = hn::Sub(bits, half);
    const auto bias = hn::Set(du, 2048 - 1023);  // of half, less the exponent's own
    const V scale_half = hn::BitCast(d, hn::ShiftLeft<52>(hn::Sub(half, bias)));
    const V scale_rest = hn::BitCast(d, hn::ShiftLeft<52>(hn::Sub(rest, bias)));
    return hn::Mul(hn::Mul(mantissa, scale_half), scale_rest);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace bitloss
HWY_AFTER_NAMESPACE();
#endif  // per-target guard

// tanh x for vectors of FP32, the same bits for every vector width: explicit fused multiply-adds,
// no other contraction. At most 2.5 units in the last place from the exact value (see the test).
#if defined(BITLOSS_COMPUTE_CPU_TANH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BITLOSS_COMPUTE_CPU_TANH_INL_H_
#undef BITLOSS_COMPUTE_CPU_TANH_INL_H_
#else
#define BITLOSS_COMPUTE_CPU_TANH_INL_H_
#endif

#include "bitloss/compute/cpu/exp-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace bitloss {
namespace HWY_NAMESPACE {

// Near zero the odd polynomial of Cephes' tanhf, which keeps the relative error of small results;
// beyond, 1 - 2 / (e^2|x| + 1), whose subtraction loses nothing there.
HWY_INLINE FloatVector Tanh(FloatVector x) {
  const FloatTag d;
  const FloatVector one = hn::Set(d, 1.0f);
  const FloatVector size = hn::Abs(x);
  const FloatVector far_off =
      hn::Sub(one, hn::Div(hn::Set(d, 2.0f), hn::Add(Exp(hn::Add(size, size)), one)));
  const FloatVector z = hn::Mul(x, x);
  FloatVector p = hn::Set(d, -5.70498872745e-3f);
  p = hn::MulAdd(p, z, hn::Set(d, 2.06390887954e-2f));
  p = hn::MulAdd(p, z, hn::Set(d, -5.37397155531e-2f));
  p = hn::MulAdd(p, z, hn::Set(d, 1.33314422036e-1f));
  p = hn::MulAdd(p, z, hn::Set(d, -3.33332819422e-1f));
  const FloatVector near_zero = hn::MulAdd(hn::Mul(p, z), x, x);
  return hn::IfThenElse(hn::Ge(size, hn::Set(d, 0.625f)), hn::CopySign(far_off, x), near_zero);
}

}  // namespace HWY_NAMESPACE
}  // namespace bitloss
HWY_AFTER_NAMESPACE();

#endif  // BITLOSS_COMPUTE_CPU_TANH_INL_H_

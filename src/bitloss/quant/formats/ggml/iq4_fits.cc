#include "bitloss/quant/formats/ggml/iq4_fits.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bitloss/quant/formats/ggml/iq4_fits.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace bitloss {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// The sum of `first` and step(j) for each midpoint j of neighbouring levels that is not above v.
// All are multiples of a half: nothing is rounded.
template <class D, class Step>
HWY_INLINE hn::Vec<D> SumOfSteps(D d, hn::Vec<D> v, float first, Step&& step) {
  auto sum = hn::Set(d, first);
#pragma GCC unroll 16
  for (size_t j = 0; j + 1 < kIq4Levels.size(); ++j) {
    const auto passed = hn::Ge(v, hn::Set(d, (kIq4Levels[j] + kIq4Levels[j + 1]) / 2));
    sum = hn::Add(sum, hn::IfThenElseZero(passed, hn::Set(d, step(j))));
  }
  return sum;
}

void Fit(std::span<const float> x, std::span<const float> importance, const float* inverses,
         Iq4Fits& fits) {
  const hn::CappedTag<float, kIq4Candidates> d;
  for (size_t k = 0; k < kIq4Candidates; k += hn::Lanes(d)) {
    const auto inverse = hn::LoadU(d, inverses + k);
    auto qx = hn::Zero(d);
    auto q2 = hn::Zero(d);
    for (size_t i = 0; i < x.size(); ++i) {
      const auto x_i = hn::Set(d, x[i]);
      const auto q = SumOfSteps(d, hn::Mul(inverse, x_i), kIq4Levels[0],
                                [](size_t j) { return kIq4Levels[j + 1] - kIq4Levels[j]; });
      const auto weighed = hn::Mul(hn::Set(d, importance[i]), q);
      qx = hn::Add(qx, hn::Mul(weighed, x_i));
      q2 = hn::Add(q2, hn::Mul(weighed, q));
    }
    hn::Store(qx, d, fits.qx.data() + k);
    hn::Store(q2, d, fits.q2.data() + k);
  }
}

void Nearest(std::span<const float> x, float inverse, std::span<uint8_t> codes) {
  const hn::CappedTag<float, 16> d;
  for (size_t i = 0; i < x.size(); i += 16) {
    HWY_ALIGN float index[16];
    for (size_t lane = 0; lane < 16; lane += hn::Lanes(d)) {
      const auto v = hn::Mul(hn::Set(d, inverse), hn::LoadU(d, x.data() + i + lane));
      hn::Store(SumOfSteps(d, v, 0.0f, [](size_t) { return 1.0f; }), d, index + lane);
    }
    for (size_t lane = 0; lane < 16; ++lane) codes[i + lane] = static_cast<uint8_t>(index[lane]);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bitloss
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bitloss {
namespace {

HWY_EXPORT(Fit);
HWY_EXPORT(Nearest);

}  // namespace

void NearestIq4Levels(std::span<const float> x, float inverse, std::span<uint8_t> codes) {
  HWY_DYNAMIC_DISPATCH(Nearest)(x, inverse, codes);
}

Iq4Fits FitIq4Levels(std::span<const float> x, std::span<const float> importance,
                     std::span<const float, kIq4Candidates> inverses) {
  Iq4Fits fits;
  HWY_DYNAMIC_DISPATCH(Fit)(x, importance, inverses.data(), fits);
  return fits;
}

}  // namespace bitloss
#endif  // HWY_ONCE

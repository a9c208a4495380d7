#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "bitloss/metrics/exp_range.h"
#include "bitloss/metrics/log.h"
#include "bitloss/metrics/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bitloss/metrics/exp_test.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// After highway.h:
#include "bitloss/metrics/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bitloss {
namespace HWY_NAMESPACE {

int64_t ThisTarget() { return HWY_TARGET; }

template <ExpRange kRange>
void ExpOfAll(std::span<double> x) {
  const hn::ScalableTag<double> d;
  const size_t N = hn::Lanes(d);
  for (size_t i = 0; i < x.size(); i += N) {  // the test's sizes are multiples of 16
    hn::StoreU(Exp<kRange>(d, hn::LoadU(d, x.data() + i)), d, x.data() + i);
  }
}
void ExpAnyOfAll(std::span<double> x) { ExpOfAll<ExpRange::kUnderflow>(x); }
void ExpNormalOfAll(std::span<double> x) { ExpOfAll<ExpRange::kNormal>(x); }

}  // namespace HWY_NAMESPACE
}  // namespace bitloss
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bitloss {
namespace {

HWY_EXPORT(ThisTarget);
HWY_EXPORT(ExpAnyOfAll);
HWY_EXPORT(ExpNormalOfAll);

std::vector<double> Exp(std::vector<double> x) {
  HWY_DYNAMIC_DISPATCH(ExpAnyOfAll)(x);
  return x;
}

// |value - e^x| in units of the last place of e^x. The system's long double, 64 bits, is the truth.
double UlpError(double x, double value) {
  const long double exact = std::exp(static_cast<long double>(x));
  const int exponent = std::max(std::ilogb(exact), -1022);
  return static_cast<double>(std::abs(static_cast<long double>(value) - exact) /
                             std::ldexp(1.0L, exponent - 52));
}

// [-745, 0] and around each multiple of ln 2 and of half of it, where the reduction turns over.
std::vector<double> ArgumentsToZero() {
  std::vector<double> x;
  constexpr int kSteps = 200'000;
  for (int i = 0; i < kSteps; ++i) x.push_back(-745.0 * i / kSteps - 1e-3 * (i % 7));
  for (int i = 1; i < 2140; ++i) {
    const double edge = -i * (std::log(2.0) / 2);
    x.insert(x.end(), {std::nextafter(edge, -1e9), edge, std::nextafter(edge, 0.0)});
  }
  for (int i = 0; i < 2000; ++i) x.push_back(-std::ldexp(1.0 + i / 2000.0, -(i % 60)));
  while (x.size() % 16 != 0) x.push_back(0.0);
  return x;
}

TEST(ExpTest, IsWithinTwoUlpDownToTheSmallestSubnormal) {
  const std::vector<double> x = ArgumentsToZero();
  const std::vector<double> y = Exp(x);
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) worst = std::max(worst, UlpError(x[i], y[i]));
  RecordProperty("worst_ulp", std::to_string(worst));
  EXPECT_LE(worst, 2.0);
}

TEST(ExpTest, EndsInZeroExactlyWhereTheTrueValueRoundsToZero) {
  // 2^-1075 = e^-745.13321910194110842...
  const double last = -745.1332191019411;
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> y = Exp({last, std::nextafter(last, -1e9), -746, -1e3, -1e300,
                                     -infinity, 0, -0.0, 0, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(y[0], 0x1p-1074);
  for (size_t i = 1; i <= 5; ++i) EXPECT_EQ(y[i], 0.0) << i;
  EXPECT_EQ(y[6], 1.0);
  EXPECT_EQ(y[7], 1.0);
}

TEST(ExpTest, GivesTheSameBitsWithAndWithoutCareForUnderflow) {
  std::vector<double> x;
  for (int i = 0; i < 160'000; ++i) x.push_back(3.0 - 710.0 * i / 160'000);
  std::vector<double> fast = x;
  HWY_DYNAMIC_DISPATCH(ExpNormalOfAll)(fast);
  EXPECT_EQ(fast, Exp(x));
}

TEST(ExpTest, GivesTheSameBitsOnEveryInstructionSet) {
  const std::vector<double> x = ArgumentsToZero();
  const std::vector<double> expected = Exp(x);
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    EXPECT_EQ(HWY_DYNAMIC_DISPATCH(ThisTarget)(), target);
    EXPECT_EQ(Exp(x), expected) << hwy::TargetName(target);
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST(LogTest, IsWithinTwoUlp) {
  double worst = 0;
  for (int i = 1; i < 400'000; ++i) {
    const double x = i < 200'000 ? 1.0 + i / 100'000.0 : std::pow(1.0001, i - 200'000) + 1e-3 * i;
    const long double exact = std::log(static_cast<long double>(x));
    const long double ulp = std::ldexp(1.0L, std::ilogb(exact) - 52);
    worst = std::max(worst, static_cast<double>(std::abs(Log(x) - exact) / ulp));
  }
  RecordProperty("worst_ulp", std::to_string(worst));
  EXPECT_LE(worst, 2.0);
  EXPECT_EQ(Log(1.0), 0.0);
  EXPECT_EQ(Log(4.0), std::log(4.0));
}

}  // namespace
}  // namespace bitloss
#endif  // HWY_ONCE

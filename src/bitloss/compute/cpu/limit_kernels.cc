#include "bitloss/compute/cpu/limit_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bitloss/compute/cpu/limit_kernels.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// After highway.h:
#if HWY_TARGET != HWY_SCALAR
#include "bitloss/compute/cpu/int8_tile-inl.h"
#include "bitloss/compute/cpu/tile_product-inl.h"
#endif

HWY_BEFORE_NAMESPACE();
namespace bitloss {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

LimitKernels LimitKernelsOfTarget() { return {}; }

#else

// Sums in flight: at least latency times throughput, and they fit the registers.
constexpr size_t kChains = 12;

double MultiplyAdd(size_t repeats, float* sink) {
  const FloatTag d;
  FloatVector sum[kChains];
  for (size_t i = 0; i < kChains; ++i) sum[i] = hn::Set(d, *sink + static_cast<float>(i));
  const FloatVector factor = hn::Set(d, 0.999f);
  const FloatVector term = hn::Set(d, 0.001f);
  for (size_t repeat = 0; repeat < repeats; ++repeat) {
#pragma GCC unroll 12
    for (size_t i = 0; i < kChains; ++i) sum[i] = hn::MulAdd(sum[i], factor, term);
  }
  for (size_t i = 0; i < kChains; ++i) *sink += hn::GetLane(sum[i]);
  return 2.0 * static_cast<double>(kChains * kLanes * repeats);
}

double Read(const float* HWY_RESTRICT from, size_t count, float* sink) {
  const FloatTag d;
  FloatVector sum[4];
  for (FloatVector& s : sum) s = hn::Zero(d);
  for (size_t i = 0; i + 4 * kLanes <= count; i += 4 * kLanes) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) sum[j] = hn::Add(sum[j], hn::LoadU(d, from + i + j * kLanes));
  }
  for (const FloatVector& s : sum) *sink += hn::GetLane(s);
  return static_cast<double>(count * sizeof(float));
}

#if HWY_TARGET == HWY_AVX3_DL
// Some rows times one panel: the loop of the int8 product, from the first cache.
double MultiplyBytes(size_t repeats, float* sink) {
  constexpr size_t kWords = 64;
  alignas(64) static const uint32_t words[kWords * kPanelWidth] = {};
  alignas(64) static const std::byte x[kTileRows * kWords * kBytesPerWord] = {};
  alignas(64) int32_t sums[kTileRows * kPanelWidth];
  for (size_t repeat = 0; repeat < repeats; repeat += kWords) {
    MultiplyWords<kTileRows>(x, kWords * kBytesPerWord, words, kWords, sums);
    *sink += static_cast<float>(sums[0]);
  }
  return 2.0 * kTileRows * kPanelWidth * kBytesPerWord * static_cast<double>(repeats);
}
#else
constexpr double (*MultiplyBytes)(size_t repeats, float* sink) = nullptr;
#endif

LimitKernels LimitKernelsOfTarget() {
  return {.multiply_add = MultiplyAdd, .multiply_bytes = MultiplyBytes, .read = Read};
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
HWY_EXPORT(LimitKernelsOfTarget);
}  // namespace

LimitKernels LimitKernelsFor(int64_t target) {
  return BITLOSS_KERNELS_FOR(target, LimitKernelsOfTarget);
}

}  // namespace bitloss
#endif  // HWY_ONCE

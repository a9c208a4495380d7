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

double MultiplyCachedTile(size_t repeats, float* sink) {
  constexpr size_t kDepth = 64;
  alignas(64) static const float tile[kDepth * kTileWidth] = {};
  alignas(64) static const float x[kTileRows * kDepth] = {};
  alignas(64) float sums[kTileRows * kTileWidth];
  for (size_t repeat = 0; repeat < repeats; repeat += kDepth) {
    MultiplyTile(kTileRows, kTileVectors, x, kDepth, tile, kTileWidth, kDepth,
                 {sums, kTileWidth, TileSums::Begin::kZero, nullptr});
    *sink += sums[0];
  }
  return 2.0 * kTileRows * kTileWidth *
         static_cast<double>((repeats + kDepth - 1) / kDepth * kDepth);
}

#if HWY_TARGET == HWY_AVX3_DL
HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avx512vnni")
double MultiplyBytes(size_t repeats, float* sink) {
  const Int32Tag d;
  const WeightWord weights(hn::Set(d, 0x01020304));
  const auto activations = hn::Set(d, 0x05060708);
  Int32Vector sum[kChains];
  for (Int32Vector& s : sum) s = hn::Set(d, static_cast<int32_t>(*sink));
  for (size_t repeat = 0; repeat < repeats; ++repeat) {
#pragma GCC unroll 12
    for (size_t i = 0; i < kChains; ++i) sum[i] = weights.MultiplyAdd(activations, sum[i]);
  }
  for (const Int32Vector& s : sum) *sink += static_cast<float>(hn::GetLane(s));
  return 2.0 * static_cast<double>(kChains * kLanes * kBytesPerWord * repeats);
}
HWY_POP_ATTRIBUTES
#else
constexpr double (*MultiplyBytes)(size_t repeats, float* sink) = nullptr;
#endif

LimitKernels LimitKernelsOfTarget() {
  return {.multiply_add = MultiplyAdd,
          .multiply_tile = MultiplyCachedTile,
          .multiply_bytes = MultiplyBytes,
          .read = Read};
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

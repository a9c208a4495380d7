// The one loop that multiplies: a few rows of x times a tile of weights, in registers.
//
// c[r][v] (+)= sum over k ascending of x[r][k] * tile[k][v], one fused multiply-add per term. Every
// product of the CPU backend, attention included, is made of it, so an element's bits do not depend
// on the number of rows, the tile or the width of a vector.
#if defined(BITLOSS_COMPUTE_CPU_TILE_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BITLOSS_COMPUTE_CPU_TILE_PRODUCT_INL_H_
#undef BITLOSS_COMPUTE_CPU_TILE_PRODUCT_INL_H_
#else
#define BITLOSS_COMPUTE_CPU_TILE_PRODUCT_INL_H_
#endif

#include <cstddef>
#include <cstring>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace bitloss {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using FloatVector = hn::Vec<FloatTag>;
constexpr size_t kLanes = HWY_LANES(float);

// As many sums as fit the registers beside the weights of one k and a broadcast of x. For AVX-512
// four vectors by six rows rather than two by twelve: the fewer loads for each multiply-add, the
// nearer to two of them in a cycle.
#if HWY_MAX_BYTES == 64
constexpr size_t kTileVectors = 4;
#elif HWY_MAX_BYTES == 32
constexpr size_t kTileVectors = 2;
#else
constexpr size_t kTileVectors = 4;
#endif
constexpr size_t kTileRows = 6;
constexpr size_t kTileWidth = kTileVectors * kLanes;

HWY_INLINE void CopyFloats(const float* from, size_t count, float* to) {
  std::memcpy(to, from, count * sizeof(float));
}

// What is asked for from memory while a tile is multiplied: a little at each step of k, for
// requests in a burst stop the processor until the first are answered.
struct Ahead {
  const std::byte* at;
  size_t step_bytes;  // for each two k
};

// Where the sums begin and what is added at their end.
struct TileSums {
  float* c;  // [rows][vectors], rows c_stride apart
  size_t c_stride;
  enum class Begin { kZero, kContinue } begin;
  const float* bias;  // [vectors], or null: nothing to add
};

// sum += a b, fused. Said as one instruction: otherwise GCC renames sums from one step of k to the
// next and moves them about, which cost a tenth of the speed of a loop of two steps.
HWY_INLINE void MultiplyAddTo(FloatVector a, FloatVector b, FloatVector& sum) {
#if HWY_ARCH_X86 && HWY_COMPILER_GCC_ACTUAL
#if HWY_MAX_BYTES == 64
  asm volatile("vfmadd231ps %2, %1, %0" : "+v"(sum.raw) : "v"(a.raw), "v"(b.raw));
#else
  asm volatile("vfmadd231ps %2, %1, %0" : "+x"(sum.raw) : "x"(a.raw), "x"(b.raw));
#endif
#else
  sum = hn::MulAdd(a, b, sum);
#endif
}

// sum[r][v] += x[r][k] * tile[k][v] for one k.
template <size_t kRows, size_t kVectors>
HWY_INLINE void MultiplyAddOneK(const float* HWY_RESTRICT x, size_t x_stride,
                                const float* HWY_RESTRICT tile,
                                FloatVector (&sum)[kRows][kVectors]) {
  const FloatTag d;
  FloatVector weights[kVectors];
#pragma GCC unroll 4
  for (size_t v = 0; v < kVectors; ++v) weights[v] = hn::LoadU(d, tile + v * kLanes);
#pragma GCC unroll 8
  for (size_t r = 0; r < kRows; ++r) {
    const FloatVector x_r = hn::Set(d, x[r * x_stride]);
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) MultiplyAddTo(x_r, weights[v], sum[r][v]);
  }
}

template <size_t kRows, size_t kVectors>
HWY_NOINLINE void MultiplyTileRows(const float* HWY_RESTRICT x, size_t x_stride,
                                   const float* HWY_RESTRICT tile, size_t tile_stride, size_t depth,
                                   TileSums sums, Ahead ahead) {
  const FloatTag d;
  FloatVector sum[kRows][kVectors];
#pragma GCC unroll 8
  for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) {
      sum[r][v] = sums.begin == TileSums::Begin::kZero
                      ? hn::Zero(d)
                      : hn::LoadU(d, sums.c + r * sums.c_stride + v * kLanes);
    }
  }
  // Two steps at a time: the second hides the end of the first.
  for (size_t pairs = depth / 2; pairs != 0; --pairs) {
    __builtin_prefetch(ahead.at, 0, 2);  // to the second-level cache
    ahead.at += ahead.step_bytes;
    MultiplyAddOneK(x, x_stride, tile, sum);
    MultiplyAddOneK(x + 1, x_stride, tile + tile_stride, sum);
    x += 2;
    tile += 2 * tile_stride;
  }
  if (depth % 2 != 0) MultiplyAddOneK(x, x_stride, tile, sum);
  if (sums.bias != nullptr) {
#pragma GCC unroll 8
    for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (size_t v = 0; v < kVectors; ++v) {
        sum[r][v] = hn::Add(sum[r][v], hn::LoadU(d, sums.bias + v * kLanes));
      }
    }
  }
#pragma GCC unroll 8
  for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) {
      hn::StoreU(sum[r][v], d, sums.c + r * sums.c_stride + v * kLanes);
    }
  }
}

// The same for any number of rows up to kTileRows and of vectors up to kTileVectors.
HWY_INLINE void MultiplyTile(size_t num_rows, size_t num_vectors, const float* x, size_t x_stride,
                             const float* tile, size_t tile_stride, size_t depth,
                             const TileSums& sums, const Ahead& ahead) {
  static_assert(kTileRows == 6 && kTileVectors <= 4);
#define BITLOSS_TILE(rows, vectors)                                                               \
  case (vectors)*8 + (rows):                                                                      \
    return MultiplyTileRows<rows, HWY_MIN(vectors, kTileVectors)>(x, x_stride, tile, tile_stride, \
                                                                  depth, sums, ahead)
#define BITLOSS_TILES(vectors) \
  BITLOSS_TILE(1, vectors);    \
  BITLOSS_TILE(2, vectors);    \
  BITLOSS_TILE(3, vectors);    \
  BITLOSS_TILE(4, vectors);    \
  BITLOSS_TILE(5, vectors);    \
  BITLOSS_TILE(6, vectors)
  switch (num_vectors * 8 + num_rows) {
    BITLOSS_TILES(1);
    BITLOSS_TILES(2);
    BITLOSS_TILES(3);
    BITLOSS_TILES(4);
    default:
      HWY_ABORT("no tile of %d rows and %d vectors", static_cast<int>(num_rows),
                static_cast<int>(num_vectors));
  }
#undef BITLOSS_TILES
#undef BITLOSS_TILE
}

// Without asking for anything.
HWY_INLINE void MultiplyTile(size_t num_rows, size_t num_vectors, const float* x, size_t x_stride,
                             const float* tile, size_t tile_stride, size_t depth,
                             const TileSums& sums) {
  MultiplyTile(num_rows, num_vectors, x, x_stride, tile, tile_stride, depth, sums,
               {reinterpret_cast<const std::byte*>(tile), 0});
}

// The first row of group `group` when rows are cut into nearly equal groups.
HWY_INLINE size_t FirstOfGroup(size_t group, size_t num_groups, size_t num_rows) {
  return group * num_rows / num_groups;
}

// Calls use(row, end_row) for groups of at most kTileRows rows.
template <class Use>
HWY_INLINE void ForEachRowGroup(size_t first_row, size_t end_row, const Use& use) {
  const size_t num_rows = end_row - first_row;
  const size_t num_groups = (num_rows + kTileRows - 1) / kTileRows;
  for (size_t group = 0; group < num_groups; ++group) {
    use(first_row + FirstOfGroup(group, num_groups, num_rows),
        first_row + FirstOfGroup(group + 1, num_groups, num_rows));
  }
}

// Any number of rows times a tile [depth][tile_stride] whose first `num_outputs` columns count; the
// others, up to a multiple of kLanes, are read but not used. c and bias are [num_outputs].
HWY_INLINE void MultiplyRows(size_t num_rows, const float* x, size_t x_stride, const float* tile,
                             size_t tile_stride, size_t depth, size_t num_outputs,
                             const TileSums& sums, const Ahead& ahead) {
  for (size_t lane = 0; lane < num_outputs; lane += kTileWidth) {
    const size_t width = HWY_MIN(kTileWidth, num_outputs - lane);
    const size_t num_vectors = (width + kLanes - 1) / kLanes;
    const float* bias = sums.bias == nullptr ? nullptr : sums.bias + lane;
    ForEachRowGroup(0, num_rows, [&](size_t row, size_t end_row) HWY_ATTR {
      float* c = sums.c + row * sums.c_stride + lane;
      const float* x_row = x + row * x_stride;
      if (HWY_LIKELY(width % kLanes == 0)) {
        MultiplyTile(end_row - row, num_vectors, x_row, x_stride, tile + lane, tile_stride, depth,
                     {c, sums.c_stride, sums.begin, bias}, ahead);
        return;
      }
      // Outputs that do not exist must not be written: the sums go through a copy.
      HWY_ALIGN float copy[kTileRows * kTileWidth] = {};
      HWY_ALIGN float padded_bias[kTileWidth] = {};
      if (sums.begin == TileSums::Begin::kContinue) {
        for (size_t r = 0; r < end_row - row; ++r) {
          CopyFloats(c + r * sums.c_stride, width, copy + r * kTileWidth);
        }
      }
      if (bias != nullptr) CopyFloats(bias, width, padded_bias);
      MultiplyTile(end_row - row, num_vectors, x_row, x_stride, tile + lane, tile_stride, depth,
                   {copy, kTileWidth, sums.begin, bias == nullptr ? nullptr : padded_bias}, ahead);
      for (size_t r = 0; r < end_row - row; ++r) {
        CopyFloats(copy + r * kTileWidth, width, c + r * sums.c_stride);
      }
    });
  }
}

// Without asking for anything.
HWY_INLINE void MultiplyRows(size_t num_rows, const float* x, size_t x_stride, const float* tile,
                             size_t tile_stride, size_t depth, size_t num_outputs,
                             const TileSums& sums) {
  MultiplyRows(num_rows, x, x_stride, tile, tile_stride, depth, num_outputs, sums,
               {reinterpret_cast<const std::byte*>(tile), 0});
}

}  // namespace HWY_NAMESPACE
}  // namespace bitloss
HWY_AFTER_NAMESPACE();

#endif  // BITLOSS_COMPUTE_CPU_TILE_PRODUCT_INL_H_

#if defined(BITLOSS_COMPUTE_CPU_TRANSPOSE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BITLOSS_COMPUTE_CPU_TRANSPOSE_INL_H_
#undef BITLOSS_COMPUTE_CPU_TRANSPOSE_INL_H_
#else
#define BITLOSS_COMPUTE_CPU_TRANSPOSE_INL_H_
#endif

#include <cstddef>

#include "bitloss/compute/cpu/tile_product-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace bitloss {
namespace HWY_NAMESPACE {

// 128 bits each of rows first, first + 4, first + 8, ..., one row for each 128-bit block of a
// vector. at(row) is where a row begins, at any address.
template <class At>
HWY_INLINE FloatVector LoadEveryFourthRow(const At& at, size_t first) {
  const auto block = [&](size_t row) HWY_ATTR {
    return hn::LoadU(hn::FixedTag<float, 4>(), reinterpret_cast<const float*>(at(row)));
  };
#if HWY_MAX_BYTES == 64
  const hn::FixedTag<float, 8> half;
  return hn::Combine(FloatTag(), hn::Combine(half, block(first + 12), block(first + 8)),
                     hn::Combine(half, block(first + 4), block(first)));
#elif HWY_MAX_BYTES == 32
  return hn::Combine(FloatTag(), block(first + 4), block(first));
#else
  return block(first);
#endif
}

// cols[i] = the 32 bits i of kLanes rows from `row` on, i < 4.
template <class At>
HWY_INLINE void TransposeFour(const At& at, size_t row, FloatVector (&cols)[4]) {
  const FloatTag d;
  const FloatVector r0 = LoadEveryFourthRow(at, row);
  const FloatVector r1 = LoadEveryFourthRow(at, row + 1);
  const FloatVector r2 = LoadEveryFourthRow(at, row + 2);
  const FloatVector r3 = LoadEveryFourthRow(at, row + 3);
  const FloatVector low02 = hn::InterleaveLower(d, r0, r2);
  const FloatVector low13 = hn::InterleaveLower(d, r1, r3);
  const FloatVector high02 = hn::InterleaveUpper(d, r0, r2);
  const FloatVector high13 = hn::InterleaveUpper(d, r1, r3);
  cols[0] = hn::InterleaveLower(d, low02, low13);
  cols[1] = hn::InterleaveUpper(d, low02, low13);
  cols[2] = hn::InterleaveLower(d, high02, high13);
  cols[3] = hn::InterleaveUpper(d, high02, high13);
}

// to[i][row] = from[row][i] for `num_cols` columns; to is [num_cols][kVectors * kLanes] and its
// rows beyond `num_rows` >= 1 repeat the last one.
template <size_t kVectors>
void TransposeRows(const float* HWY_RESTRICT from, size_t stride, size_t num_rows, size_t num_cols,
                   float* HWY_RESTRICT to) {
  const FloatTag d;
  constexpr size_t kWidth = kVectors * kLanes;
  const size_t last = num_rows - 1;
  size_t col = 0;
  for (; col + 4 <= num_cols; col += 4) {
    for (size_t row = 0; row < kWidth; row += kLanes) {
      FloatVector cols[4];
      TransposeFour([&](size_t r) { return from + HWY_MIN(r, last) * stride + col; }, row, cols);
      for (size_t i = 0; i < 4; ++i) hn::Store(cols[i], d, to + (col + i) * kWidth + row);
    }
  }
  for (; col < num_cols; ++col) {
    for (size_t row = 0; row < kWidth; ++row) {
      to[col * kWidth + row] = from[HWY_MIN(row, last) * stride + col];
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace bitloss
HWY_AFTER_NAMESPACE();

#endif  // BITLOSS_COMPUTE_CPU_TRANSPOSE_INL_H_

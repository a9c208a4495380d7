#if defined(BITLOSS_COMPUTE_CPU_TRANSPOSE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BITLOSS_COMPUTE_CPU_TRANSPOSE_INL_H_
#undef BITLOSS_COMPUTE_CPU_TRANSPOSE_INL_H_
#else
#define BITLOSS_COMPUTE_CPU_TRANSPOSE_INL_H_
#endif

#include "bitloss/compute/cpu/tile_product-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace bitloss {
namespace HWY_NAMESPACE {

// Four floats each of rows 0, 4, 8, ... of `from`, one row for each 128-bit block of a vector.
// Rows beyond `last` repeat it.
HWY_INLINE FloatVector LoadEveryFourthRow(const float* HWY_RESTRICT from, size_t stride,
                                          size_t first, size_t last) {
  const auto block = [&](size_t row) HWY_ATTR {
    return hn::LoadU(hn::FixedTag<float, 4>(), from + HWY_MIN(row, last) * stride);
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
      const FloatVector r0 = LoadEveryFourthRow(from + col, stride, row, last);
      const FloatVector r1 = LoadEveryFourthRow(from + col, stride, row + 1, last);
      const FloatVector r2 = LoadEveryFourthRow(from + col, stride, row + 2, last);
      const FloatVector r3 = LoadEveryFourthRow(from + col, stride, row + 3, last);
      const FloatVector low02 = hn::InterleaveLower(d, r0, r2);
      const FloatVector low13 = hn::InterleaveLower(d, r1, r3);
      const FloatVector high02 = hn::InterleaveUpper(d, r0, r2);
      const FloatVector high13 = hn::InterleaveUpper(d, r1, r3);
      float* at = to + col * kWidth + row;
      hn::Store(hn::InterleaveLower(d, low02, low13), d, at);
      hn::Store(hn::InterleaveUpper(d, low02, low13), d, at + kWidth);
      hn::Store(hn::InterleaveLower(d, high02, high13), d, at + 2 * kWidth);
      hn::Store(hn::InterleaveUpper(d, high02, high13), d, at + 3 * kWidth);
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

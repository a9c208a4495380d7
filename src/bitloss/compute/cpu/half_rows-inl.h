// Tiles of FP16 weights that lie in rows, as files have them: [output][k], at any address.
#if defined(BITLOSS_COMPUTE_CPU_HALF_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BITLOSS_COMPUTE_CPU_HALF_ROWS_INL_H_
#undef BITLOSS_COMPUTE_CPU_HALF_ROWS_INL_H_
#else
#define BITLOSS_COMPUTE_CPU_HALF_ROWS_INL_H_
#endif

#include <cstring>

#include "bitloss/compute/cpu/panel_matrix.h"
#include "bitloss/compute/cpu/tile_product-inl.h"
#include "bitloss/compute/cpu/transpose-inl.h"
#include "hwy/cache_control.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace bitloss {
namespace HWY_NAMESPACE {

// k that a step turns: what a row has in 128 bits.
constexpr size_t kHalvesOfStep = 8;

// The rows of one panel.
struct HalfRows {
  const std::byte* first;  // of output 0, at k = 0
  size_t cols;
  size_t num_rows;  // <= kPanelWidth; outputs beyond repeat the last

  const std::byte* At(size_t row, size_t k) const {
    return first + (row * cols + k) * sizeof(uint16_t);
  }
};

// A vector of pairs of halves, k in the lower, as two vectors of FP32.
HWY_INLINE void StorePairs(FloatVector pairs, float* HWY_RESTRICT even, float* HWY_RESTRICT odd) {
  const FloatTag d;
  const hn::RebindToUnsigned<FloatTag> words;
  const hn::Rebind<uint16_t, FloatTag> shorts;
  const hn::Rebind<hwy::float16_t, FloatTag> halves;
  const auto both = hn::BitCast(words, pairs);
  const auto low = hn::TruncateTo(shorts, both);
  const auto high = hn::TruncateTo(shorts, hn::ShiftRight<16>(both));
  hn::Store(hn::PromoteTo(d, hn::BitCast(halves, low)), d, even);
  hn::Store(hn::PromoteTo(d, hn::BitCast(halves, high)), d, odd);
}

// Asks memory for what some rows have a little further on, or, at their end, for the beginning of
// the rows of the next panel.
HWY_INLINE void AskAhead(const HalfRows& rows, size_t first_row, size_t end_row, size_t k) {
  constexpr size_t kAhead = 128;  // k
  size_t ahead = k + kAhead;
  size_t down = 0;
  if (ahead >= rows.cols) {
    ahead -= rows.cols;
    down = kPanelWidth;
    if (ahead >= rows.cols) return;  // rows are short: the processor finds them itself
  }
  for (size_t row = first_row; row < end_row; ++row) hwy::Prefetch(rows.At(row + down, ahead));
}

// tile[k - first_k][kPanelWidth] for k in [first_k, end_k).
inline void DecodeHalfRows(const HalfRows& rows, size_t first_k, size_t end_k,
                           float* HWY_RESTRICT tile) {
  const size_t last = rows.num_rows - 1;
  const std::byte* begin[kPanelWidth];
  for (size_t row = 0; row < kPanelWidth; ++row) begin[row] = rows.At(HWY_MIN(row, last), 0);
  size_t k = first_k;
  for (; k + kHalvesOfStep <= end_k; k += kHalvesOfStep) {
    // A cache line has the halves of four steps: a quarter of the rows at each.
    const size_t quarter = k / kHalvesOfStep % 4 * (kPanelWidth / 4);
    AskAhead(rows, quarter, quarter + kPanelWidth / 4, k);
    float* HWY_RESTRICT to = tile + (k - first_k) * kPanelWidth;
    for (size_t row = 0; row < kPanelWidth; row += kLanes) {
      FloatVector pairs[4];
      TransposeFour([&](size_t r) { return begin[r] + k * sizeof(uint16_t); }, row, pairs);
#pragma GCC unroll 4
      for (size_t i = 0; i < 4; ++i) {
        StorePairs(pairs[i], to + 2 * i * kPanelWidth + row, to + (2 * i + 1) * kPanelWidth + row);
      }
    }
  }
  for (; k < end_k; ++k) {
    for (size_t row = 0; row < kPanelWidth; row += kLanes) {
      HWY_ALIGN uint16_t column[kLanes];
      for (size_t i = 0; i < kLanes; ++i) {
        std::memcpy(column + i, rows.At(HWY_MIN(row + i, last), k), sizeof(uint16_t));
      }
      const hn::Rebind<hwy::float16_t, FloatTag> halves;
      const auto half = hn::BitCast(halves, hn::Load(hn::Rebind<uint16_t, FloatTag>(), column));
      hn::Store(hn::PromoteTo(FloatTag(), half), FloatTag(),
                tile + (k - first_k) * kPanelWidth + row);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace bitloss
HWY_AFTER_NAMESPACE();

#endif  // BITLOSS_COMPUTE_CPU_HALF_ROWS_INL_H_

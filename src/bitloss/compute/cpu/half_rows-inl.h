// Tiles of FP16 or BF16 weights that lie in rows, as files have them: [output][k], at any address.
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

// What 16 bits stand for.
struct Float16 {
  template <class Shorts>
  static HWY_INLINE FloatVector Widen(Shorts bits) {
    const hn::Rebind<hwy::float16_t, FloatTag> halves;
    return hn::PromoteTo(FloatTag(), hn::BitCast(halves, bits));
  }
  // Of a vector of pairs, those in the lower and in the upper halves.
  static HWY_INLINE FloatVector Lower(FloatVector pairs) { return Truncated(Words(pairs)); }
  static HWY_INLINE FloatVector Upper(FloatVector pairs) {
    return Truncated(hn::ShiftRight<16>(Words(pairs)));
  }

 private:
  using WordsTag = hn::RebindToUnsigned<FloatTag>;
  static HWY_INLINE hn::Vec<WordsTag> Words(FloatVector pairs) {
    return hn::BitCast(WordsTag(), pairs);
  }
  static HWY_INLINE FloatVector Truncated(hn::Vec<WordsTag> words) {
    return Widen(hn::TruncateTo(hn::Rebind<uint16_t, FloatTag>(), words));
  }
};

struct BFloat16 {
  using WordsTag = hn::RebindToUnsigned<FloatTag>;

  template <class Shorts>
  static HWY_INLINE FloatVector Widen(Shorts bits) {
    return hn::BitCast(FloatTag(), hn::ShiftLeft<16>(hn::PromoteTo(WordsTag(), bits)));
  }
  static HWY_INLINE FloatVector Lower(FloatVector pairs) {
    return hn::BitCast(FloatTag(), hn::ShiftLeft<16>(hn::BitCast(WordsTag(), pairs)));
  }
  static HWY_INLINE FloatVector Upper(FloatVector pairs) {
    const auto upper = hn::Set(WordsTag(), 0xFFFF0000u);
    return hn::BitCast(FloatTag(), hn::And(hn::BitCast(WordsTag(), pairs), upper));
  }
};

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
template <class Half>
void DecodeHalfRows(const HalfRows& rows, size_t first_k, size_t end_k, float* HWY_RESTRICT tile) {
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
        // k in the lower half.
        hn::Store(Half::Lower(pairs[i]), FloatTag(), to + 2 * i * kPanelWidth + row);
        hn::Store(Half::Upper(pairs[i]), FloatTag(), to + (2 * i + 1) * kPanelWidth + row);
      }
    }
  }
  for (; k < end_k; ++k) {
    for (size_t row = 0; row < kPanelWidth; row += kLanes) {
      HWY_ALIGN uint16_t column[kLanes];
      for (size_t i = 0; i < kLanes; ++i) {
        std::memcpy(column + i, rows.At(HWY_MIN(row + i, last), k), sizeof(uint16_t));
      }
      const auto bits = hn::Load(hn::Rebind<uint16_t, FloatTag>(), column);
      hn::Store(Half::Widen(bits), FloatTag(), tile + (k - first_k) * kPanelWidth + row);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace bitloss
HWY_AFTER_NAMESPACE();

#endif  // BITLOSS_COMPUTE_CPU_HALF_ROWS_INL_H_

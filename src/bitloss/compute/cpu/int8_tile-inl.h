// Exact products of bytes: a few rows of activations times one panel of words, in registers.
//
// Three ways, the same integers. VNNI multiplies four unsigned bytes by four signed ones: an
// activation a is stored as a + 128, and 128 times the sum of the weights is taken off at the end.
// Other x86 multiplies pairs of 16-bit integers: a row's word holds its activations as
// (a0, a2, a1, a3), because that is how four bytes widen without crossing. Elsewhere 32-bit
// integers, one by one.
#if defined(BITLOSS_COMPUTE_CPU_INT8_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BITLOSS_COMPUTE_CPU_INT8_TILE_INL_H_
#undef BITLOSS_COMPUTE_CPU_INT8_TILE_INL_H_
#else
#define BITLOSS_COMPUTE_CPU_INT8_TILE_INL_H_
#endif

#include <type_traits>

#include "bitloss/compute/cpu/int8_matrix.h"
#include "bitloss/compute/cpu/tile_product-inl.h"
#include "hwy/highway.h"

#if HWY_TARGET == HWY_AVX3_DL
HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avx512vnni")
#else
HWY_BEFORE_NAMESPACE();
#endif
namespace bitloss {
namespace HWY_NAMESPACE {

using Int32Tag = hn::RebindToSigned<FloatTag>;
using Int32Vector = hn::Vec<Int32Tag>;
using Int16Tag = hn::Repartition<int16_t, Int32Tag>;

// One word of four weights as a kernel of this target wants it, and its product with one word of
// activations at `x`.
#if HWY_TARGET == HWY_AVX3_DL

constexpr size_t kActivationBytes = 1;
constexpr int kActivationOffset = 128;
constexpr size_t kInt8Rows = kTileRows;

struct WeightWord {
  Int32Vector bytes;

  WeightWord() = default;
  explicit HWY_INLINE WeightWord(Int32Vector word) : bytes(word) {}
  // In place, as in tile_product-inl.h.
  HWY_INLINE Int32Vector MultiplyAdd(Int32Vector activations, Int32Vector sum) const {
#if HWY_COMPILER_GCC_ACTUAL
    asm volatile("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(activations.raw), "v"(bytes.raw));
    return sum;
#else
    return Int32Vector{_mm512_dpbusd_epi32(sum.raw, activations.raw, bytes.raw)};
#endif
  }
  static HWY_INLINE Int32Vector LoadActivations(const std::byte* x) {
    int32_t word;
    std::memcpy(&word, x, sizeof(word));
    return hn::Set(Int32Tag(), word);
  }
};

#elif HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3

constexpr size_t kActivationBytes = 2;
constexpr int kActivationOffset = 0;
constexpr size_t kInt8Rows = HWY_TARGET == HWY_AVX3 ? kTileRows : 4;

struct WeightWord {
  hn::Vec<Int16Tag> even, odd;

  WeightWord() = default;
  explicit HWY_INLINE WeightWord(Int32Vector word)
      : even(hn::ShiftRight<8>(hn::ShiftLeft<8>(hn::BitCast(Int16Tag(), word)))),
        odd(hn::ShiftRight<8>(hn::BitCast(Int16Tag(), word))) {}
  struct Activations {
    hn::Vec<Int16Tag> even, odd;
  };
  // As floats, whose broadcast is one load; integers would go through a general register.
  static HWY_INLINE hn::Vec<Int16Tag> LoadPair(const std::byte* x) {
    float pair;
    std::memcpy(&pair, x, sizeof(pair));
    return hn::BitCast(Int16Tag(), hn::Set(FloatTag(), pair));
  }
  static HWY_INLINE Activations LoadActivations(const std::byte* x) {
    return {LoadPair(x), LoadPair(x + sizeof(float))};
  }
  static HWY_INLINE Int32Vector MultiplyAddPairs(hn::Vec<Int16Tag> x, hn::Vec<Int16Tag> weights,
                                                 Int32Vector sum) {
    Int32Vector unused = hn::Zero(Int32Tag());
    sum = hn::ReorderWidenMulAccumulate(Int32Tag(), x, weights, sum, unused);
    Fix(sum);
    return sum;
  }
  HWY_INLINE Int32Vector MultiplyAdd(const Activations& x, Int32Vector sum) const {
    return MultiplyAddPairs(x.odd, odd, MultiplyAddPairs(x.even, even, sum));
  }

 private:
  // Integer sums may be reordered, and GCC does so until they no longer fit the registers: each is
  // said to be what it is here.
  static HWY_INLINE void Fix(Int32Vector& sum) {
#if HWY_COMPILER_GCC_ACTUAL
#if HWY_MAX_BYTES == 64
    asm volatile("" : "+v"(sum.raw));
#else
    asm volatile("" : "+x"(sum.raw));
#endif
#else
    static_cast<void>(sum);
#endif
  }
};

#else

constexpr size_t kActivationBytes = 2;
constexpr int kActivationOffset = 0;
constexpr size_t kInt8Rows = 2;

struct WeightWord {
  Int32Vector code[kBytesPerWord];

  WeightWord() = default;
  explicit HWY_INLINE WeightWord(Int32Vector word)
      : code{hn::ShiftRight<24>(hn::ShiftLeft<24>(word)),
             hn::ShiftRight<24>(hn::ShiftLeft<8>(word)),
             hn::ShiftRight<24>(hn::ShiftLeft<16>(word)), hn::ShiftRight<24>(word)} {}
  static HWY_INLINE const std::byte* LoadActivations(const std::byte* x) { return x; }
  HWY_INLINE Int32Vector MultiplyAdd(const std::byte* x, Int32Vector sum) const {
    int16_t activations[kBytesPerWord];  // as stored: a0, a2, a1, a3, like `code`
    std::memcpy(activations, x, sizeof(activations));
    for (size_t j = 0; j < kBytesPerWord; ++j) {
      sum = hn::Add(sum, hn::Mul(code[j], hn::Set(Int32Tag(), activations[j])));
    }
    return sum;
  }
};

#endif

// A row's word of activations.
constexpr size_t kXBytes = kBytesPerWord * kActivationBytes;

// sum[r][v] += one word of row r times the words of the tile's outputs.
template <size_t kRows>
HWY_INLINE void MultiplyOneWord(const std::byte* HWY_RESTRICT x, size_t row_bytes,
                                const int32_t* HWY_RESTRICT words,
                                Int32Vector (&sum)[kRows][kTileVectors]) {
  const Int32Tag d;
#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX2
  // All weights in registers, so that a row's word is loaded once.
  constexpr size_t kAtOnce = kTileVectors;
#else
  // Widened weights fill the registers: a vector of them at a time.
  constexpr size_t kAtOnce = 1;
#endif
#pragma GCC unroll 4
  for (size_t first = 0; first < kTileVectors; first += kAtOnce) {
    WeightWord weights[kAtOnce];
#pragma GCC unroll 4
    for (size_t v = 0; v < kAtOnce; ++v) {
      weights[v] = WeightWord(hn::Load(d, words + (first + v) * kLanes));
    }
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) {
      const auto activations = WeightWord::LoadActivations(x + r * row_bytes);
#pragma GCC unroll 4
      for (size_t v = 0; v < kAtOnce; ++v) {
        sum[r][first + v] = weights[v].MultiplyAdd(activations, sum[r][first + v]);
      }
    }
  }
}

// What the sums of outputs begin with, so that they end as sum_k activation[k] q[o][k]:
// -kActivationOffset times `weight_sums`, which are sum_k q[o][k].
HWY_INLINE Int32Vector FirstSum(const int32_t* HWY_RESTRICT weight_sums) {
  const Int32Tag d;
  if constexpr (kActivationOffset == 0) return hn::Zero(d);
  static_assert(kActivationOffset == 0 || kActivationOffset == 128);
  return hn::Neg(hn::ShiftLeft<7>(hn::LoadU(d, weight_sums)));
}

// For kTileWidth outputs of a panel, at `words` and `weight_sums`: calls use(r, i, sums) with
// the sums of row r and outputs [i, i + kLanes).
template <size_t kRows, class Use>
HWY_NOINLINE void MultiplyWords(const std::byte* HWY_RESTRICT x, size_t row_bytes,
                                const uint32_t* HWY_RESTRICT words, size_t num_words,
                                const int32_t* HWY_RESTRICT weight_sums, const Use& use) {
  Int32Vector sum[kRows][kTileVectors];
#pragma GCC unroll 4
  for (size_t v = 0; v < kTileVectors; ++v) {
    const Int32Vector first = FirstSum(weight_sums + v * kLanes);
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) sum[r][v] = first;
  }
  const int32_t* from = reinterpret_cast<const int32_t*>(words);
  size_t word = 0;
  for (; word + 2 <= num_words; word += 2) {
    MultiplyOneWord(x, row_bytes, from, sum);
    MultiplyOneWord(x + kXBytes, row_bytes, from + kPanelWidth, sum);
    x += 2 * kXBytes;
    from += 2 * kPanelWidth;
  }
  if (word < num_words) MultiplyOneWord(x, row_bytes, from, sum);
#pragma GCC unroll 16
  for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kTileVectors; ++v) use(r, v * kLanes, sum[r][v]);
  }
}

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3

// For many rows weights are widened to 16 bits once, not next to each product. A tile of them is
// int16 [word][2][kTileWidth][2]: the pairs (k, k + 2), then (k + 1, k + 3), of each output.
constexpr size_t kWidenedRows = 6;
constexpr size_t kWidenedPerWord = kTileWidth * kBytesPerWord;  // int16

HWY_INLINE void WidenTile(const uint32_t* HWY_RESTRICT words, size_t num_words,
                          int16_t* HWY_RESTRICT tile) {
  for (size_t word = 0; word < num_words; ++word) {
    for (size_t v = 0; v < kTileVectors; ++v) {
      const WeightWord wide(hn::Load(
          Int32Tag(), reinterpret_cast<const int32_t*>(words) + word * kPanelWidth + v * kLanes));
      int16_t* to = tile + word * kWidenedPerWord + v * kLanes * 2;
      hn::Store(wide.even, Int16Tag(), to);
      hn::Store(wide.odd, Int16Tag(), to + kTileWidth * 2);
    }
  }
}

// As MultiplyWords, with a widened tile.
template <size_t kRows, class Use>
HWY_NOINLINE void MultiplyWidened(const std::byte* HWY_RESTRICT x, size_t row_bytes,
                                  const int16_t* HWY_RESTRICT tile, size_t num_words,
                                  const Use& use) {
  Int32Vector sum[kRows][kTileVectors];
#pragma GCC unroll 16
  for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kTileVectors; ++v) sum[r][v] = hn::Zero(Int32Tag());
  }
  for (size_t half = 2 * num_words; half != 0; --half) {
    hn::Vec<Int16Tag> weights[kTileVectors];
#pragma GCC unroll 4
    for (size_t v = 0; v < kTileVectors; ++v) {
      weights[v] = hn::Load(Int16Tag(), tile + v * kLanes * 2);
    }
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) {
      const auto activations = WeightWord::LoadPair(x + r * row_bytes);
#pragma GCC unroll 4
      for (size_t v = 0; v < kTileVectors; ++v) {
        sum[r][v] = WeightWord::MultiplyAddPairs(activations, weights[v], sum[r][v]);
      }
    }
    tile += kTileWidth * 2;
    x += kXBytes / 2;
  }
#pragma GCC unroll 16
  for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kTileVectors; ++v) use(r, v * kLanes, sum[r][v]);
  }
}

#endif

// Calls multiply(std::integral_constant<size_t, rows>(), first row) for groups of at most kMost
// rows.
template <size_t kMost, class Multiply>
void ForEachGroupOfRows(RowRange rows, const Multiply& multiply) {
  const size_t num_groups = (rows.size() + kMost - 1) / kMost;
  for (size_t group = 0; group < num_groups; ++group) {
    const size_t first = rows.begin + FirstOfGroup(group, num_groups, rows.size());
    const size_t end = rows.begin + FirstOfGroup(group + 1, num_groups, rows.size());
    switch (end - first) {
#define BITLOSS_ROWS(n)                                                   \
  case n:                                                                 \
    multiply(std::integral_constant<size_t, HWY_MIN(n, kMost)>(), first); \
    break
      BITLOSS_ROWS(1);
      BITLOSS_ROWS(2);
      BITLOSS_ROWS(3);
      BITLOSS_ROWS(4);
      BITLOSS_ROWS(5);
      BITLOSS_ROWS(6);
#undef BITLOSS_ROWS
      default:
        HWY_ABORT("a group has at most 6 rows, not %d", static_cast<int>(end - first));
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace bitloss
#if HWY_TARGET == HWY_AVX3_DL
HWY_POP_ATTRIBUTES
#else
HWY_AFTER_NAMESPACE();
#endif

#endif  // BITLOSS_COMPUTE_CPU_INT8_TILE_INL_H_

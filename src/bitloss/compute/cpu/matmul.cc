#include "bitloss/compute/cpu/matmul.h"

#include <algorithm>
#include <span>

#include "bitloss/compute/cpu/panel_runs.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bitloss/compute/cpu/matmul.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// After highway.h:
#if HWY_TARGET != HWY_SCALAR
#include "bitloss/compute/cpu/half_rows-inl.h"
#include "bitloss/compute/cpu/tile_product-inl.h"
#include "bitloss/compute/cpu/weight_decoder-inl.h"
#endif

HWY_BEFORE_NAMESPACE();
namespace bitloss {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

MatMulKernels MatMulKernelsOfTarget() { return {}; }

#else

// k is cut into blocks of at most this size, so that a decoded tile (256 KiB) and the rows' part of
// x stay in the second-level cache; both are read in order, so they reach the first in time. Sums
// pass from block to block through y, exactly, and that costs more than a larger tile.
constexpr size_t kMaxDepth = 1024;

// Blocks of equal size, multiples of kCodesPerWord.
HWY_INLINE size_t DepthOfBlocks(size_t in_features) {
  const size_t num_blocks = (in_features + kMaxDepth - 1) / kMaxDepth;
  const size_t depth = (in_features + num_blocks - 1) / num_blocks;
  return (depth + kCodesPerWord - 1) / kCodesPerWord * kCodesPerWord;
}

// Rows that are multiplied while the weights are decoded, without a tile in between.
constexpr size_t kDirectRows = HWY_MAX_BYTES == 64 ? 4 : 2;
// How far ahead of the weights that are multiplied memory is asked for the next, in bytes: so few
// rows wait for memory alone, and the processor by itself keeps too few requests under way.
constexpr size_t kAheadBytes = 6144;
constexpr size_t kCacheLine = AlignedBytes::kAlignment;
// Vectors that are multiplied, or decoded, side by side.
constexpr size_t kDirectVectors = 4;
constexpr size_t kDirectWidth = kDirectVectors * kLanes;

// Writes a row's sums to the outputs that exist.
HWY_INLINE void StoreSums(const float* HWY_RESTRICT sums, size_t num_outputs,
                          const float* HWY_RESTRICT bias, float* HWY_RESTRICT y) {
  for (size_t i = 0; i < num_outputs; ++i) y[i] = bias == nullptr ? sums[i] : sums[i] + bias[i];
}

template <size_t kRows, class Decoder>
void MultiplyDirectRows(const PanelMatrix& matrix, const PanelProduct& product, size_t panel,
                        size_t lane) {
  const FloatTag d;
  const float* HWY_RESTRICT x = product.x.data;
  const size_t x_stride = product.x.stride;
  FloatVector sum[kRows][kDirectVectors];
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t v = 0; v < kDirectVectors; ++v) sum[r][v] = hn::Zero(d);
  }
  const std::byte* ahead = matrix.PanelWeights(panel) + kAheadBytes;
  const auto use = [&](size_t k, const FloatVector(&weights)[kDirectVectors]) HWY_ATTR {
    for (size_t i = 0; i < Decoder::kBytesPerK; i += kCacheLine) {
      hwy::Prefetch(ahead + k * Decoder::kBytesPerK + i);
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < kRows; ++r) {
      const FloatVector x_rk = hn::Set(d, x[r * x_stride + k]);
#pragma GCC unroll 4
      for (size_t v = 0; v < kDirectVectors; ++v) {
        sum[r][v] = hn::MulAdd(x_rk, weights[v], sum[r][v]);
      }
    }
  };
  const Decoder decoder(matrix, panel);
  decoder.template ForEachK<kDirectVectors>(lane, 0, matrix.in_features(), use);
  const size_t out = panel * kPanelWidth + lane;
  const size_t num_outputs = HWY_MIN(kDirectWidth, matrix.PanelOutputs(panel) - lane);
  for (size_t r = 0; r < kRows; ++r) {
    HWY_ALIGN float sums[kDirectWidth];
    for (size_t v = 0; v < kDirectVectors; ++v) hn::Store(sum[r][v], d, sums + v * kLanes);
    StoreSums(sums, num_outputs, product.bias == nullptr ? nullptr : product.bias + out,
              product.y.data + r * product.y.stride + out);
  }
}

template <class Decoder>
void MultiplyDirect(const PanelMatrix& matrix, const PanelProduct& product) {
  for (size_t panel = product.first_panel; panel < product.end_panel; ++panel) {
    for (size_t lane = 0; lane < matrix.PanelOutputs(panel); lane += kDirectWidth) {
      switch (product.x.rows) {
        case 1:
          MultiplyDirectRows<1, Decoder>(matrix, product, panel, lane);
          break;
        case 2:
          MultiplyDirectRows<2, Decoder>(matrix, product, panel, lane);
          break;
        case 3:
          MultiplyDirectRows<HWY_MIN(3, kDirectRows), Decoder>(matrix, product, panel, lane);
          break;
        default:
          MultiplyDirectRows<HWY_MIN(4, kDirectRows), Decoder>(matrix, product, panel, lane);
          break;
      }
    }
  }
}

template <class Decoder>
void DecodeTile(const PanelMatrix& matrix, size_t panel, size_t first_k, size_t end_k,
                float* HWY_RESTRICT tile) {
  const FloatTag d;
  const Decoder decoder(matrix, panel);
  for (size_t lane = 0; lane < kPanelWidth; lane += kDirectWidth) {
    const auto use = [&](size_t k, const FloatVector(&weights)[kDirectVectors]) HWY_ATTR {
#pragma GCC unroll 4
      for (size_t v = 0; v < kDirectVectors; ++v) {
        hn::Store(weights[v], d, tile + (k - first_k) * kPanelWidth + lane + v * kLanes);
      }
    };
    decoder.template ForEachK<kDirectVectors>(lane, first_k, end_k, use);
  }
}

template <class Half>
void DecodeHalfRowsTile(const PanelMatrix& matrix, size_t panel, size_t first_k, size_t end_k,
                        float* HWY_RESTRICT tile) {
  DecodeHalfRows<Half>(
      {matrix.HalfRow(panel * kPanelWidth), matrix.in_features(), matrix.PanelOutputs(panel)},
      first_k, end_k, tile);
}

void DecodeOpaqueTile(const PanelMatrix& matrix, size_t panel, size_t first_k, size_t end_k,
                      float* HWY_RESTRICT tile) {
  matrix.DecodeOpaqueTile(panel, first_k, end_k, tile);
}

using DecodeTileFunction = void (*)(const PanelMatrix&, size_t panel, size_t first_k, size_t end_k,
                                    float* tile);

// The weights of the tile after [first_k, end_k) of `panel` in the order of MultiplyByTiles; after
// the last, of the next panel's first, which the same thread mostly multiplies next.
std::span<const std::byte> NextTile(const PanelMatrix& matrix, const PanelProduct& product,
                                    size_t panel, size_t first_k, size_t end_k) {
  if (++panel == product.end_panel) {
    first_k = end_k == matrix.in_features() ? 0 : end_k;
    end_k = HWY_MIN(matrix.in_features(), first_k + DepthOfBlocks(matrix.in_features()));
    panel = first_k == 0 ? panel % matrix.num_panels() : product.first_panel;
  }
  const std::byte* weights = matrix.PanelWeights(panel);
  return {weights + matrix.OffsetOfK(first_k), weights + matrix.OffsetOfK(end_k)};
}

// Each group of rows asks for its share of the next tile.
class AheadOfGroups {
 public:
  AheadOfGroups(std::span<const std::byte> next, size_t num_rows, size_t depth) : next_(next) {
    const size_t num_groups = (num_rows + kTileRows - 1) / kTileRows;
    const size_t tiles = num_groups * (kPanelWidth / kTileWidth);
    bytes_of_group_ = (next.size() + num_groups - 1) / num_groups;
    const size_t steps = HWY_MAX(size_t{1}, tiles * (depth / 2));
    step_bytes_ = (next.size() + steps - 1) / steps;
  }
  HWY_INLINE Ahead OfGroup(size_t group) const {
    return {next_.data() + HWY_MIN(next_.size(), group * bytes_of_group_), step_bytes_};
  }

 private:
  std::span<const std::byte> next_;
  size_t bytes_of_group_;
  size_t step_bytes_;
};

void MultiplyByTiles(DecodeTileFunction decode_tile, const PanelMatrix& matrix,
                     const PanelProduct& product, size_t depth) {
  HWY_ALIGN float tile[kMaxDepth * kPanelWidth];
  const size_t in_features = matrix.in_features();
  const ConstMatrixView& x = product.x;
  const MatrixView& y = product.y;
  for (size_t first_k = 0; first_k < in_features; first_k += depth) {
    const size_t end_k = HWY_MIN(in_features, first_k + depth);
    for (size_t panel = product.first_panel; panel < product.end_panel; ++panel) {
      decode_tile(matrix, panel, first_k, end_k, tile);
      const AheadOfGroups ahead(NextTile(matrix, product, panel, first_k, end_k), x.rows,
                                end_k - first_k);
      size_t group = 0;
      const size_t out = panel * kPanelWidth;
      const bool adds_bias = product.bias != nullptr && end_k == in_features;
      ForEachRowGroup(0, x.rows, [&](size_t row, size_t end_row) HWY_ATTR {
        MultiplyRows(end_row - row, x.data + row * x.stride + first_k, x.stride, tile, kPanelWidth,
                     end_k - first_k, matrix.PanelOutputs(panel),
                     {.c = y.data + row * y.stride + out,
                      .c_stride = y.stride,
                      .begin = first_k == 0 ? TileSums::Begin::kZero : TileSums::Begin::kContinue,
                      .bias = adds_bias ? product.bias + out : nullptr},
                     ahead.OfGroup(group++));
      });
    }
  }
}

void MultiplyByTiles(DecodeTileFunction decode_tile, const PanelMatrix& matrix,
                     const PanelProduct& product) {
  MultiplyByTiles(decode_tile, matrix, product, DepthOfBlocks(matrix.in_features()));
}

template <class Decoder>
void Multiply(const PanelMatrix& matrix, const PanelProduct& product) {
  if (product.x.rows <= kDirectRows) return MultiplyDirect<Decoder>(matrix, product);
  MultiplyByTiles(DecodeTile<Decoder>, matrix, product);
}

// For few rows the time is that of turning the weights: small tiles, which stay in the first-level
// cache, panel after panel, as the weights lie.
template <class Half>
void MultiplyHalfRows(const PanelMatrix& matrix, const PanelProduct& product) {
  constexpr size_t kFewRows = 8;
  constexpr size_t kSmallDepth = 64;
  if (product.x.rows > kFewRows) return MultiplyByTiles(DecodeHalfRowsTile<Half>, matrix, product);
  PanelProduct of_panel = product;
  for (size_t panel = product.first_panel; panel < product.end_panel; ++panel) {
    of_panel.first_panel = panel;
    of_panel.end_panel = panel + 1;
    MultiplyByTiles(DecodeHalfRowsTile<Half>, matrix, of_panel, kSmallDepth);
  }
}

template <template <GroupedCodes::Kind> class Decoder>
void MultiplyCodes(const PanelMatrix& matrix, const PanelProduct& product) {
  using Kind = GroupedCodes::Kind;
  switch (matrix.code_kind()) {
    case Kind::kTable:
      return Multiply<Decoder<Kind::kTable> >(matrix, product);
    case Kind::kZeroPoint:
      return Multiply<Decoder<Kind::kZeroPoint> >(matrix, product);
    case Kind::kOffset:
      return Multiply<Decoder<Kind::kOffset> >(matrix, product);
  }
}

void MultiplyPanels(const PanelMatrix& matrix, const PanelProduct& product) {
  switch (matrix.layout()) {
    case PanelMatrix::Layout::kF32:
      return Multiply<F32Decoder>(matrix, product);
    case PanelMatrix::Layout::kF16:
      return Multiply<HalfDecoder<Float16> >(matrix, product);
    case PanelMatrix::Layout::kBF16:
      return Multiply<HalfDecoder<BFloat16> >(matrix, product);
    case PanelMatrix::Layout::kCodes4:
      return MultiplyCodes<Codes4Decoder>(matrix, product);
    case PanelMatrix::Layout::kCodes8:
      return MultiplyCodes<Codes8Decoder>(matrix, product);
    case PanelMatrix::Layout::kF16Rows:
      return MultiplyHalfRows<Float16>(matrix, product);
    case PanelMatrix::Layout::kBF16Rows:
      return MultiplyHalfRows<BFloat16>(matrix, product);
    case PanelMatrix::Layout::kOpaque:
      return MultiplyByTiles(DecodeOpaqueTile, matrix, product);
  }
}

MatMulKernels MatMulKernelsOfTarget() { return {.multiply_panels = MultiplyPanels}; }

#endif  // HWY_TARGET

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bitloss
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "bitloss/compute/cpu/dispatch.h"

namespace bitloss {
namespace {

HWY_EXPORT(MatMulKernelsOfTarget);

// Rows of a part: enough that decoding a tile costs little beside multiplying by it, few enough
// that their block of x stays in the second-level cache. Whole groups of rows of a tile.
constexpr size_t kRowsOfGroup = 6;
constexpr size_t kMaxGroupsOfPart = 43;  // 512 rows are two parts
// Panels of a part read the same block of x after each other.
constexpr size_t kMaxPanelsOfPart = 8;
// Parts for each thread if the product is large enough, so that threads finish together.
constexpr size_t kPartsOfThread = 8;

}  // namespace

MatMulKernels MatMulKernelsFor(int64_t target) {
  return BITLOSS_KERNELS_FOR(target, MatMulKernelsOfTarget);
}

void MultiplyOnThreads(const MatMulKernels& kernels, std::span<const WholeProduct> products,
                       ConstMatrixView x, ThreadPool& threads) {
  const size_t num_groups = (x.rows + kRowsOfGroup - 1) / kRowsOfGroup;
  const size_t row_parts = (num_groups + kMaxGroupsOfPart - 1) / kMaxGroupsOfPart;
  const auto runs =
      CutIntoRuns(products, row_parts, kPartsOfThread * threads.num_threads(), kMaxPanelsOfPart);
  threads.ForEachPart(row_parts * runs.size(), [&](size_t part, size_t) {
    const size_t row_part = part / runs.size();
    const size_t first_row = row_part * num_groups / row_parts * kRowsOfGroup;
    const size_t end_row = std::min(x.rows, (row_part + 1) * num_groups / row_parts * kRowsOfGroup);
    const auto& run = runs[part % runs.size()];
    const WholeProduct& product = *run.product;
    kernels.multiply_panels(*product.weights,
                            {.first_panel = run.first_panel,
                             .end_panel = run.end_panel,
                             .bias = product.bias.empty() ? nullptr : product.bias.data(),
                             .x = x.Rows(first_row, end_row),
                             .y = product.y.Rows(first_row, end_row)});
  });
}

}  // namespace bitloss
#endif  // HWY_ONCE

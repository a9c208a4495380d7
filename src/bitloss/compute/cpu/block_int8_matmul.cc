#include "bitloss/compute/cpu/block_int8_matmul.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bitloss/compute/cpu/block_int8_matmul.cc"
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

BlockInt8Kernel KernelOfTarget() { return nullptr; }

#else

// sums[r][kPanelWidth] = the exact products of one block.
template <size_t kRows>
HWY_INLINE void MultiplyBlockOfRows(const std::byte* x, size_t row_bytes, const uint32_t* words,
                                    const int32_t* weight_sums, int32_t* sums) {
  for (size_t lane = 0; lane < kPanelWidth; lane += kTileWidth) {
    MultiplyWords<kRows>(x, row_bytes, words + lane, kWordsPerBlock, weight_sums + lane,
                         [&](size_t r, size_t i, Int32Vector sum) HWY_ATTR {
                           hn::Store(sum, Int32Tag(), sums + r * kPanelWidth + lane + i);
                         });
  }
}

// products += float(integers) * (d * dx); offsets += m * sx. One row, one block.
HWY_INLINE void AddBlock(const int32_t* HWY_RESTRICT sums, const float* HWY_RESTRICT scales,
                         const float* HWY_RESTRICT offsets, const GgmlScales& x,
                         float* HWY_RESTRICT products, float* HWY_RESTRICT shifts) {
  const FloatTag d;
  const Int32Tag di;
  for (size_t i = 0; i < kPanelWidth; i += kLanes) {
    const auto integers = hn::Load(di, sums + i);
    const auto scale = hn::Mul(hn::LoadU(d, scales + i), hn::Set(d, x.scale));
    hn::Store(hn::MulAdd(hn::ConvertTo(d, integers), scale, hn::Load(d, products + i)), d,
              products + i);
    if (offsets == nullptr) continue;
    const auto shift = hn::Mul(hn::LoadU(d, offsets + i), hn::Set(d, x.sum));
    hn::Store(hn::Add(hn::Load(d, shifts + i), shift), d, shifts + i);
  }
}

template <size_t kRows>
void MultiplyRowGroup(const BlockInt8Matrix& weights, const BlockRows& x,
                      const Int8Product& product, size_t panel, size_t row) {
  HWY_ALIGN int32_t sums[kRows * kPanelWidth];
  HWY_ALIGN float products[kRows * kPanelWidth] = {};
  HWY_ALIGN float shifts[kRows * kPanelWidth] = {};
  const size_t block_bytes = kGgmlBlock * kActivationBytes;
  for (size_t block = 0; block < weights.num_blocks(); ++block) {
    MultiplyBlockOfRows<kRows>(x.codes.data() + row * x.row_bytes + block * block_bytes,
                               x.row_bytes, weights.BlockWords(panel, block),
                               weights.BlockSums(panel, block), sums);
    for (size_t r = 0; r < kRows; ++r) {
      AddBlock(sums + r * kPanelWidth, weights.BlockScales(panel, block),
               weights.has_offsets() ? weights.BlockOffsets(panel, block) : nullptr,
               x.scales[(row + r) * weights.num_blocks() + block], products + r * kPanelWidth,
               shifts + r * kPanelWidth);
    }
  }
  const size_t first_out = panel * kPanelWidth;
  for (size_t r = 0; r < kRows; ++r) {
    float* y = product.y.data + (row + r) * product.y.stride + first_out;
    for (size_t i = 0; i < weights.PanelOutputs(panel); ++i) {
      float value = products[r * kPanelWidth + i];
      if (weights.has_offsets()) value += shifts[r * kPanelWidth + i];
      if (product.bias != nullptr) value += product.bias[first_out + i];
      y[i] = value;
    }
  }
}

void Multiply(const BlockInt8Matrix& weights, const BlockRows& x, const Int8Product& product) {
  for (size_t panel = product.first_panel; panel < product.end_panel; ++panel) {
    ForEachGroupOfRows<kInt8Rows>(product.rows, [&](auto rows, size_t first_row) {
      MultiplyRowGroup<rows>(weights, x, product, panel, first_row);
    });
  }
}

BlockInt8Kernel KernelOfTarget() { return Multiply; }

#endif  // HWY_TARGET

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bitloss
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "bitloss/compute/cpu/dispatch.h"

namespace bitloss {
namespace {

HWY_EXPORT(KernelOfTarget);

constexpr size_t kMaxRowsOfPart = 256;

BlockRows RoundOnThreads(const Int8Kernels& int8, ConstMatrixView x, ThreadPool& threads) {
  const size_t num_blocks = x.cols / kGgmlBlock;
  BlockRows rows;
  rows.row_bytes = int8.row_bytes(x.cols / kBytesPerWord);
  rows.codes.resize(x.rows * rows.row_bytes);
  rows.scales.resize(x.rows * num_blocks);
  threads.ForEachPart(x.rows, [&](size_t row, size_t) {
    std::vector<float> codes(x.cols);
    for (size_t block = 0; block < num_blocks; ++block) {
      const size_t first = block * kGgmlBlock;
      rows.scales[row * num_blocks + block] =
          RoundGgmlBlock(x.Row(row).subspan(first).first<kGgmlBlock>(),
                         std::span(codes).subspan(first).first<kGgmlBlock>());
    }
    // Whole numbers of seven bits pass through the kernel's FP16 and rounding as they are.
    int8.quantize_row(codes.data(), codes.size(), 1.0f, {},
                      rows.codes.data() + row * rows.row_bytes);
  });
  return rows;
}

}  // namespace

BlockInt8Kernel BlockInt8KernelFor(int64_t target) {
  return BITLOSS_KERNELS_FOR(target, KernelOfTarget);
}

BlockInt8Matrix::BlockInt8Matrix(size_t rows, size_t cols, const GgmlWeights& weights,
                                 ThreadPool& threads)
    : rows_(rows),
      cols_(cols),
      words_(num_panels() * num_blocks() * kWordsPerBlock * kPanelWidth * sizeof(uint32_t)),
      scales_(num_panels() * num_blocks() * kPanelWidth),
      offsets_(weights.offsets.empty() ? 0 : scales_.size()),
      sums_(scales_.size()) {
  threads.ForEachPart(num_panels(), [&](size_t panel, size_t) { PackPanel(panel, weights); });
}

void BlockInt8Matrix::PackPanel(size_t panel, const GgmlWeights& weights) {
  std::byte* bytes =
      words_.data() + panel * num_blocks() * kWordsPerBlock * kPanelWidth * sizeof(uint32_t);
  for (size_t lane = 0; lane < PanelOutputs(panel); ++lane) {
    const size_t row = panel * kPanelWidth + lane;
    const int8_t* codes = weights.codes.data() + row * cols_;
    for (size_t k = 0; k < cols_; ++k) {
      const size_t word = k / kBytesPerWord * kPanelWidth + lane;
      bytes[word * kBytesPerWord + k % kBytesPerWord] = static_cast<std::byte>(codes[k]);
      sums_[(panel * num_blocks() + k / kGgmlBlock) * kPanelWidth + lane] += codes[k];
    }
    for (size_t block = 0; block < num_blocks(); ++block) {
      const size_t to = (panel * num_blocks() + block) * kPanelWidth + lane;
      const size_t from = row * num_blocks() + block;
      scales_[to] = weights.scales[from];
      if (!offsets_.empty()) offsets_[to] = weights.offsets[from];
    }
  }
}

void MultiplyBlocksOnThreads(const Int8Kernels& int8, BlockInt8Kernel kernel,
                             const BlockInt8Matrix& weights, std::span<const float> bias,
                             ConstMatrixView x, MatrixView y, ThreadPool& threads) {
  const BlockRows rows = RoundOnThreads(int8, x, threads);
  const size_t row_parts = (x.rows + kMaxRowsOfPart - 1) / kMaxRowsOfPart;
  threads.ForEachPart(row_parts * weights.num_panels(), [&](size_t part, size_t) {
    const size_t row_part = part / weights.num_panels();
    const size_t panel = part % weights.num_panels();
    kernel(weights, rows,
           {.first_panel = panel,
            .end_panel = panel + 1,
            .rows = {row_part * x.rows / row_parts, (row_part + 1) * x.rows / row_parts},
            .bias = bias.empty() ? nullptr : bias.data(),
            .y = y});
  });
}

}  // namespace bitloss
#endif  // HWY_ONCE

// The product of ggml_product.h on the CPU: integer sums of blocks by the kernels of
// int8_tile-inl.h, added up in float32 in the order that the contract states, so the bits are the
// same on every instruction set.
#ifndef BITLOSS_COMPUTE_CPU_BLOCK_INT8_MATMUL_H_
#define BITLOSS_COMPUTE_CPU_BLOCK_INT8_MATMUL_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bitloss/base/threads.h"
#include "bitloss/compute/cpu/aligned_bytes.h"
#include "bitloss/compute/cpu/int8_matmul.h"
#include "bitloss/compute/cpu/panel_matrix.h"
#include "bitloss/compute/ggml_product.h"

namespace bitloss {

inline constexpr size_t kWordsPerBlock = kGgmlBlock / kBytesPerWord;

// Panels of 64 outputs. Words of four codes as in Int8Matrix: [k / 4][64]; scales, offsets and sums
// of codes of each block: [block][64].
class BlockInt8Matrix final : public PackedMatrix {
 public:
  BlockInt8Matrix(size_t rows, size_t cols, const GgmlWeights& weights, ThreadPool& threads);

  size_t out_features() const override { return rows_; }
  size_t in_features() const override { return cols_; }
  size_t num_bytes() const override {
    return words_.size() + (scales_.size() + offsets_.size()) * sizeof(float) +
           sums_.size() * sizeof(int32_t);
  }

  size_t num_blocks() const { return cols_ / kGgmlBlock; }
  size_t num_panels() const { return (rows_ + kPanelWidth - 1) / kPanelWidth; }
  size_t PanelOutputs(size_t panel) const {
    return panel + 1 < num_panels() ? kPanelWidth : rows_ - panel * kPanelWidth;
  }
  bool has_offsets() const { return !offsets_.empty(); }

  const uint32_t* BlockWords(size_t panel, size_t block) const {
    return reinterpret_cast<const uint32_t*>(words_.data()) +
           (panel * num_blocks() + block) * kWordsPerBlock * kPanelWidth;
  }
  const float* BlockScales(size_t panel, size_t block) const {
    return scales_.data() + (panel * num_blocks() + block) * kPanelWidth;
  }
  const float* BlockOffsets(size_t panel, size_t block) const {
    return offsets_.data() + (panel * num_blocks() + block) * kPanelWidth;
  }
  const int32_t* BlockSums(size_t panel, size_t block) const {
    return sums_.data() + (panel * num_blocks() + block) * kPanelWidth;
  }

 private:
  void PackPanel(size_t panel, const GgmlWeights& weights);

  size_t rows_;
  size_t cols_;
  AlignedBytes words_;
  std::vector<float> scales_;
  std::vector<float> offsets_;  // empty: none
  std::vector<int32_t> sums_;
};

struct BlockRows {
  size_t row_bytes = 0;            // of one row of `codes`
  std::vector<std::byte> codes;    // [rows], in the order that the kernels of a target read
  std::vector<GgmlScales> scales;  // [rows][blocks]
};

// The kernel of one instruction set; null where it has no fused multiply-add. Some panels, some
// rows; the product's rows are those of x.
using BlockInt8Kernel = void (*)(const BlockInt8Matrix& weights, const BlockRows& x,
                                 const Int8Product& product);
BlockInt8Kernel BlockInt8KernelFor(int64_t target);

// The whole product. Shapes as in Backend::MatMul.
void MultiplyBlocksOnThreads(const Int8Kernels& int8, BlockInt8Kernel kernel,
                             const BlockInt8Matrix& weights, std::span<const float> bias,
                             ConstMatrixView x, MatrixView y, ThreadPool& threads);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CPU_BLOCK_INT8_MATMUL_H_

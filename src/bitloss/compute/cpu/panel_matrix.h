// A weight matrix cut into panels of 64 outputs, each in ascending k: the order in which a product
// that accumulates over k and is vectorised across outputs reads it.
//
// Panel p holds outputs [64 p, 64 p + 64); outputs beyond the matrix are zeros. Its weights:
//
//   kF32      float    [k][64]
//   kF16      float16  [k][64]
//   kBF16     bfloat16 [k][64]
//   kCodes4   uint32   [ceil(k / 8)][64]; bits [4 j, 4 j + 4) of word w are the code of k = 8 w + j
//   kCodes8   uint8    [k][64]
//   kF16Rows  nothing: the float16 [output][k] stay where they are and are turned a tile at a time
//   kBF16Rows the same of bfloat16
//   kOpaque   nothing: rows are decoded by the format itself, one tile at a time
//
// and for codes, scales [group][64] and zeros [group][64] of float. Codes of less than 4 bits are
// widened to 4, those of 5 to 7 to 8.
#ifndef BITLOSS_COMPUTE_CPU_PANEL_MATRIX_H_
#define BITLOSS_COMPUTE_CPU_PANEL_MATRIX_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "bitloss/base/threads.h"
#include "bitloss/compute/backend.h"
#include "bitloss/compute/cpu/aligned_bytes.h"
#include "bitloss/quant/format.h"

namespace bitloss {

inline constexpr size_t kPanelWidth = 64;
inline constexpr size_t kCodesPerWord = 8;

class PanelMatrix final : public PackedMatrix {
 public:
  enum class Layout { kF32, kF16, kBF16, kCodes4, kCodes8, kF16Rows, kBF16Rows, kOpaque };

  // Repacks on all threads; numbers of 16 bits that may stay in place become rows.
  PanelMatrix(const EncodedMatrix& weights, Packing packing, ThreadPool& threads);

  size_t out_features() const override { return rows_; }
  size_t in_features() const override { return cols_; }
  size_t num_bytes() const override;

  Layout layout() const { return layout_; }
  size_t num_panels() const { return (rows_ + kPanelWidth - 1) / kPanelWidth; }
  // Outputs of a panel that exist, 1..64.
  size_t PanelOutputs(size_t panel) const {
    return panel + 1 < num_panels() ? kPanelWidth : rows_ - panel * kPanelWidth;
  }

  const std::byte* PanelWeights(size_t panel) const {
    return weights_.data() + panel * panel_bytes_;
  }

  // Where in a panel the weights of k begin, for asking memory for them early; exact if the words
  // of codes are whole.
  size_t OffsetOfK(size_t k) const { return panel_bytes_ * k / cols_; }

  // Of codes:
  GroupedCodes::Kind code_kind() const { return code_kind_; }
  const float* table() const { return table_.data(); }
  size_t group_size() const { return group_size_; }
  const float* PanelScales(size_t panel) const {
    return scales_.data() + panel * num_groups_ * kPanelWidth;
  }
  const float* PanelZeros(size_t panel) const {
    return zeros_.data() + panel * num_groups_ * kPanelWidth;
  }

  // kF16Rows, kBF16Rows: the row of an output, [k] of 16 bits at any address.
  const std::byte* HalfRow(size_t output) const {
    return stored_.codes.data() + output * cols_ * sizeof(uint16_t);
  }

  // kOpaque: tile[k - first_k][64] for k in [first_k, end_k).
  void DecodeOpaqueTile(size_t panel, size_t first_k, size_t end_k, float* tile) const;

 private:
  void PackFloats(const EncodedMatrix& weights, ThreadPool& threads);
  // Of two bytes each, as they are.
  void PackHalves(const EncodedMatrix& weights, ThreadPool& threads);
  void PackCodes(const GroupedCodes& grouped, ThreadPool& threads);
  void PackGroupValues(const GroupedCodes& grouped);

  size_t rows_;
  size_t cols_;
  Layout layout_ = Layout::kOpaque;
  size_t panel_bytes_ = 0;
  AlignedBytes weights_;

  GroupedCodes::Kind code_kind_ = GroupedCodes::Kind::kTable;
  size_t group_size_ = 0;
  size_t num_groups_ = 0;
  std::vector<float> scales_;
  std::vector<float> zeros_;
  std::array<float, 256> table_{};

  EncodedMatrix stored_;  // of rows and kOpaque
};

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CPU_PANEL_MATRIX_H_

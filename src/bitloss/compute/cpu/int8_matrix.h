// Weights of an int8 product, in panels of 64 outputs (llm_int8.h says what they mean):
//
//   words   uint32 [ceil(in / 4)][64]; byte j of word w is the code of k = 4 w + j, 0 beyond `in`
//   scales  float [64], sums  int32 [64]: sum_k q[o][k]
//
// Outputs beyond the matrix have codes, scales and sums of 0.
#ifndef BITLOSS_COMPUTE_CPU_INT8_MATRIX_H_
#define BITLOSS_COMPUTE_CPU_INT8_MATRIX_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bitloss/compute/backend.h"
#include "bitloss/compute/cpu/aligned_bytes.h"
#include "bitloss/compute/cpu/panel_matrix.h"
#include "bitloss/compute/llm_int8.h"

namespace bitloss {

inline constexpr size_t kBytesPerWord = 4;

class Int8Matrix final : public PackedMatrix {
 public:
  Int8Matrix(size_t rows, size_t cols, const Int8Weights& weights, const Execution& execution,
             ThreadPool& threads);

  size_t out_features() const override { return rows_; }
  size_t in_features() const override { return cols_; }
  size_t num_bytes() const override {
    return words_.size() + scales_.size() * sizeof(float) + sums_.size() * sizeof(int32_t);
  }

  // How activations become integers: kLlmInt8 or kW8A8.
  const Execution& execution() const { return execution_; }
  size_t num_words() const { return (cols_ + kBytesPerWord - 1) / kBytesPerWord; }
  size_t num_panels() const { return (rows_ + kPanelWidth - 1) / kPanelWidth; }
  size_t PanelOutputs(size_t panel) const {
    return panel + 1 < num_panels() ? kPanelWidth : rows_ - panel * kPanelWidth;
  }
  const uint32_t* PanelWords(size_t panel) const {
    return reinterpret_cast<const uint32_t*>(words_.data()) + panel * num_words() * kPanelWidth;
  }
  const float* PanelScales(size_t panel) const { return scales_.data() + panel * kPanelWidth; }
  const int32_t* PanelSums(size_t panel) const { return sums_.data() + panel * kPanelWidth; }

 private:
  void PackPanel(size_t panel, const Int8Weights& weights);

  size_t rows_;
  size_t cols_;
  Execution execution_;
  AlignedBytes words_;
  std::vector<float> scales_;
  std::vector<int32_t> sums_;
};

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CPU_INT8_MATRIX_H_

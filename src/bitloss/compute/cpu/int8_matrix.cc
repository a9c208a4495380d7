#include "bitloss/compute/cpu/int8_matrix.h"

namespace bitloss {

Int8Matrix::Int8Matrix(size_t rows, size_t cols, const Int8Weights& weights,
                       const Execution& execution, ThreadPool& threads)
    : rows_(rows),
      cols_(cols),
      execution_(execution),
      words_(num_panels() * num_words() * kPanelWidth * sizeof(uint32_t)),
      scales_(num_panels() * kPanelWidth),
      sums_(num_panels() * kPanelWidth) {
  threads.ForEachPart(num_panels(), [&](size_t panel, size_t) { PackPanel(panel, weights); });
}

void Int8Matrix::PackPanel(size_t panel, const Int8Weights& weights) {
  std::byte* bytes = words_.data() + panel * num_words() * kPanelWidth * sizeof(uint32_t);
  for (size_t lane = 0; lane < PanelOutputs(panel); ++lane) {
    const size_t row = panel * kPanelWidth + lane;
    const int8_t* codes = weights.codes.data() + row * cols_;
    int32_t sum = 0;
    for (size_t k = 0; k < cols_; ++k) {
      const size_t word = k / kBytesPerWord * kPanelWidth + lane;
      bytes[word * kBytesPerWord + k % kBytesPerWord] = static_cast<std::byte>(codes[k]);
      sum += codes[k];
    }
    scales_[row] = weights.scales[row];
    sums_[row] = sum;
  }
}

}  // namespace bitloss

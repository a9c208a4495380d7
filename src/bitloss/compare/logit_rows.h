// Rows of logits as other programs hold them: any of four number types, any distance between rows.
#ifndef BITLOSS_COMPARE_LOGIT_ROWS_H_
#define BITLOSS_COMPARE_LOGIT_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace bitloss {

enum class LogitType { kF32, kF64, kF16, kBF16 };

// [rows][cols] logits in memory of somebody else, which must outlive their use. The logits of a row
// are neighbours.
struct LogitRows {
  const void* data = nullptr;
  LogitType type = LogitType::kF32;
  size_t rows = 0;
  size_t cols = 0;         // the vocabulary
  int64_t row_stride = 0;  // from a row to the next, in logits

  // Without the first `count` rows; requires count <= rows.
  LogitRows From(size_t count) const;

  // Row `row` in FP32: itself where it is that, else rounded to it into `scratch`. A double beyond
  // FP32's range becomes infinite.
  std::span<const float> Row(size_t row, std::vector<float>& scratch) const;
};

}  // namespace bitloss

#endif  // BITLOSS_COMPARE_LOGIT_ROWS_H_

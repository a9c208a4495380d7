// For tests: matrices bit by bit.
#ifndef BITLOSS_COMPUTE_CUDA_SAME_BITS_H_
#define BITLOSS_COMPUTE_CUDA_SAME_BITS_H_

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>

#include "bitloss/tensor/matrix.h"

namespace bitloss {

// Whether all elements have the same bits; any NaN is any other.
inline testing::AssertionResult SameBits(ConstMatrixView a, ConstMatrixView b) {
  for (size_t row = 0; row < a.rows; ++row) {
    for (size_t col = 0; col < a.cols; ++col) {
      const float x = a.Row(row)[col];
      const float y = b.Row(row)[col];
      if (std::isnan(x) && std::isnan(y)) continue;
      if (std::bit_cast<uint32_t>(x) != std::bit_cast<uint32_t>(y)) {
        return testing::AssertionFailure()
               << "row " << row << ", column " << col << ": " << std::hexfloat << x << " and " << y;
      }
    }
  }
  return testing::AssertionSuccess();
}

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CUDA_SAME_BITS_H_

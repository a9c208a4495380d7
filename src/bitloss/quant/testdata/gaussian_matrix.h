// For tests: weights like a model's.
#ifndef BITLOSS_QUANT_TESTDATA_GAUSSIAN_MATRIX_H_
#define BITLOSS_QUANT_TESTDATA_GAUSSIAN_MATRIX_H_

#include <cmath>
#include <numbers>

#include "bitloss/base/random.h"
#include "bitloss/tensor/dtype.h"
#include "bitloss/tensor/matrix.h"

namespace bitloss {

// Standard normal times `scale`, rounded to FP16 (Box-Muller on a stream of that seed).
inline Matrix GaussianMatrix(size_t rows, size_t cols, uint64_t seed, double scale = 0.05) {
  const RandomStream stream(seed, "gaussian");
  Matrix matrix(rows, cols);
  for (size_t i = 0; i < rows * cols; ++i) {
    const double radius = std::sqrt(-2.0 * std::log(stream.Uniform(i, 0)));
    const double angle = 2.0 * std::numbers::pi * stream.Uniform(i, 1);
    matrix.flat()[i] = ThroughF16(static_cast<float>(scale * radius * std::cos(angle)));
  }
  return matrix;
}

}  // namespace bitloss

#endif  // BITLOSS_QUANT_TESTDATA_GAUSSIAN_MATRIX_H_

#include "bitloss/compute/reference/llm_int8_reference.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "bitloss/tensor/dtype.h"

namespace bitloss {
namespace {

bool IsOutlier(float half, float threshold) { return threshold > 0 && std::abs(half) >= threshold; }

std::vector<size_t> OutlierColumns(ConstMatrixView x, float threshold) {
  std::vector<size_t> columns;
  for (size_t col = 0; col < x.cols; ++col) {
    for (size_t row = 0; row < x.rows; ++row) {
      if (IsOutlier(ThroughF16(x.Row(row)[col]), threshold)) {
        columns.push_back(col);
        break;
      }
    }
  }
  return columns;
}

float AbsMaxWithoutOutliers(std::span<const float> row, float threshold) {
  float absmax = 0.0f;
  for (const float value : row) {
    const float half = ThroughF16(value);
    if (std::isnan(half)) return std::numeric_limits<float>::quiet_NaN();
    if (!IsOutlier(half, threshold)) absmax = std::max(absmax, std::abs(half));
  }
  return absmax;
}

}  // namespace

Int8Activations QuantizeActivations(ConstMatrixView x, float threshold) {
  threshold = ThroughF16(threshold);
  Int8Activations result{.codes = std::vector<int8_t>(x.rows * x.cols),
                         .absmax = std::vector<float>(x.rows),
                         .outlier_columns = OutlierColumns(x, threshold)};
  for (size_t row = 0; row < x.rows; ++row) {
    result.absmax[row] = AbsMaxWithoutOutliers(x.Row(row), threshold);
    const float scale = 127.0f / result.absmax[row];
    for (size_t col = 0; col < x.cols; ++col) {
      const float code = std::nearbyint(ThroughF16(x.Row(row)[col]) * scale);
      const bool apart =
          std::binary_search(result.outlier_columns.begin(), result.outlier_columns.end(), col);
      if (std::isfinite(code) && !apart)
        result.codes[row * x.cols + col] = static_cast<int8_t>(code);
    }
  }
  return result;
}

int32_t IntegerProduct(const Int8Activations& activations, size_t row, const Int8Weights& weights,
                       size_t out, size_t num_cols) {
  int32_t sum = 0;
  for (size_t col = 0; col < num_cols; ++col) {
    sum += activations.codes[row * num_cols + col] * weights.codes[out * num_cols + col];
  }
  return sum;
}

void LlmInt8MatMul(const Int8Weights& weights, float threshold, std::span<const float> bias,
                   ConstMatrixView x, MatrixView y) {
  const Int8Activations activations = QuantizeActivations(x, threshold);
  for (size_t row = 0; row < x.rows; ++row) {
    const double row_scale = double{activations.absmax[row]} / 127.0;
    for (size_t out = 0; out < y.cols; ++out) {
      const double out_scale = weights.scales[out];
      double sum = row_scale * out_scale * IntegerProduct(activations, row, weights, out, x.cols);
      for (const size_t col : activations.outlier_columns) {
        sum += double{x.Row(row)[col]} * (weights.codes[out * x.cols + col] * out_scale);
      }
      y.Row(row)[out] = static_cast<float>(sum + (bias.empty() ? 0.0 : double{bias[out]}));
    }
  }
}

}  // namespace bitloss

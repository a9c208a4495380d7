#include "bitloss/quant/weight_error.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "bitloss/base/check.h"
#include "bitloss/base/sum.h"

namespace bitloss {
namespace {

// Where rounding ends and clipping begins.
struct Bounds {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

// Of ascending values.
Bounds BoundsOf(std::span<const double> values) {
  const size_t n = values.size();
  if (n < 2) return {};
  return {values[0] - (values[1] - values[0]) / 2,
          values[n - 1] + (values[n - 1] - values[n - 2]) / 2};
}

// The bounds of each group of a matrix, [rows][groups].
class GridBounds {
 public:
  explicit GridBounds(const GroupedCodes& grouped) : grouped_(grouped) {
    const int num_codes = 1 << grouped.bits;
    for (int code = 0; code < num_codes; ++code) {
      if (grouped.kind != GroupedCodes::Kind::kTable) {
        grid_.push_back(code);
      } else if (std::isfinite(grouped.table[static_cast<size_t>(code)])) {
        grid_.push_back(grouped.table[static_cast<size_t>(code)]);
      }
    }
    std::ranges::sort(grid_);
    grid_.erase(std::ranges::unique(grid_).begin(), grid_.end());
    unit_ = BoundsOf(grid_);
  }

  Bounds Of(size_t group) const {
    const double scale = grouped_.scales[group];
    double offset = 0.0;
    if (grouped_.kind == GroupedCodes::Kind::kZeroPoint) offset = -grouped_.zeros[group] * scale;
    if (grouped_.kind == GroupedCodes::Kind::kOffset) offset = grouped_.zeros[group];
    const double a = unit_.low * scale + offset, b = unit_.high * scale + offset;
    return {std::min(a, b), std::max(a, b)};
  }

 private:
  const GroupedCodes& grouped_;
  std::vector<double> grid_;
  Bounds unit_;
};

uint64_t CountSaturated(ConstMatrixView weights, const GroupedCodes& grouped) {
  const GridBounds grid(grouped);
  const size_t groups = (weights.cols + grouped.group_size - 1) / grouped.group_size;
  std::vector<Bounds> bounds(groups);
  uint64_t count = 0;
  for (size_t row = 0; row < weights.rows; ++row) {
    const std::span<const float> values = weights.Row(row);
    for (size_t g = 0; g < groups; ++g) bounds[g] = grid.Of(row * groups + g);
    for (size_t col = 0; col < weights.cols; ++col) {
      const Bounds& of = bounds[grouped.GroupOf(col)];
      count += values[col] < of.low || values[col] > of.high ? 1 : 0;
    }
  }
  return count;
}

}  // namespace

double WeightError::relative_frobenius() const {
  if (squared_error == 0.0) return 0.0;
  return std::sqrt(squared_error / squared_weights);
}

double WeightError::sqnr_db() const {
  if (squared_error == 0.0) return std::numeric_limits<double>::infinity();
  return 10.0 * std::log10(squared_weights / squared_error);
}

WeightError MeasureWeightError(ConstMatrixView weights, const EncodedMatrix& encoded) {
  BITLOSS_CHECK(weights.rows == encoded.rows && weights.cols == encoded.cols);
  WeightError error;
  error.num_weights = uint64_t{weights.rows} * weights.cols;
  Sum squared_error, squared_weights;
  std::vector<float> decoded(weights.cols);
  for (size_t row = 0; row < weights.rows; ++row) {
    encoded.format.decode(encoded, row, 0, decoded);
    const std::span<const float> values = weights.Row(row);
    for (size_t col = 0; col < weights.cols; ++col) {
      const double w = values[col], d = decoded[col] - w;
      squared_weights.Add(w * w);
      squared_error.Add(d * d);
      error.num_flushed += values[col] != 0.0f && decoded[col] == 0.0f ? 1 : 0;
      if (std::abs(d) > error.worst) {
        error.worst = std::abs(d);
        error.worst_row = row;
        error.worst_col = col;
        error.worst_weight = values[col];
        error.worst_decoded = decoded[col];
      }
    }
  }
  error.squared_error = squared_error.Total();
  error.squared_weights = squared_weights.Total();
  if (encoded.format.unpack != nullptr) {
    error.num_saturated = CountSaturated(weights, encoded.format.unpack(encoded));
  }
  return error;
}

}  // namespace bitloss

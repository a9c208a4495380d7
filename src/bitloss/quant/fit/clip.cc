#include "bitloss/quant/fit/clip.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace bitloss {
namespace {

constexpr size_t kSliceRows = 64;

float AbsMax(std::span<const float> values) {
  float absmax = 0.0f;
  for (const float value : values) absmax = std::max(absmax, std::abs(value));
  return absmax;
}

void Clamp(std::span<const float> group, float bound, float* out) {
  for (size_t i = 0; i < group.size(); ++i) out[i] = std::min(std::max(group[i], -bound), bound);
}

double ErrorOf(std::span<const float> group, std::span<const float> decoded,
               std::span<const float> importance) {
  double error = 0.0;
  for (size_t i = 0; i < group.size(); ++i) {
    const double miss = double{decoded[i]} - double{group[i]};
    error += (importance.empty() ? 1.0 : double{importance[i]}) * miss * miss;
  }
  return error;
}

struct Best {
  float bound = 0.0f;
  double error = std::numeric_limits<double>::infinity();
};

// The search on some rows; `out` receives them clipped.
Status ClipRows(const Format& format, ConstMatrixView weights, std::span<const float> importance,
                MatrixView out) {
  const size_t size = format.group_size == 0 ? weights.cols : format.group_size;
  const size_t num_groups = (weights.cols + size - 1) / size;
  std::vector<Best> best(weights.rows * num_groups);
  Matrix decoded(weights.rows, weights.cols);
  const auto for_each_group = [&](const auto& work) {
    for (size_t row = 0; row < weights.rows; ++row) {
      for (size_t g = 0; g < num_groups; ++g) {
        const size_t first = g * size;
        const size_t count = std::min(size, weights.cols - first);
        work(row, first, weights.Row(row).subspan(first, count), best[row * num_groups + g]);
      }
    }
  };
  for (size_t k = 0; k < kClipSteps; ++k) {
    const auto share = static_cast<float>(1.0 - static_cast<double>(k) / kClipGrid);
    for_each_group([&](size_t row, size_t first, std::span<const float> group, const Best&) {
      Clamp(group, AbsMax(group) * share, out.Row(row).data() + first);
    });
    BITLOSS_DO(Round(format, out, decoded));
    for_each_group([&](size_t row, size_t first, std::span<const float> group, Best& found) {
      const double error =
          ErrorOf(group, decoded.Row(row).subspan(first, group.size()),
                  importance.empty() ? importance : importance.subspan(first, group.size()));
      if (error < found.error) found = {AbsMax(group) * share, error};
    });
  }
  for_each_group([&](size_t row, size_t first, std::span<const float> group, const Best& found) {
    Clamp(group, found.bound, out.Row(row).data() + first);
  });
  return Ok();
}

}  // namespace

Result<EncodedMatrix> EncodeClipped(const Format& format, ConstMatrixView weights,
                                    std::span<const float> importance, ThreadPool& threads) {
  BITLOSS_CHECK(format.row_coding == RowCoding::kIndependent);
  BITLOSS_CHECK(importance.empty() || importance.size() == weights.cols);
  Matrix clipped(weights.rows, weights.cols);
  std::vector<Status> results((weights.rows + kSliceRows - 1) / kSliceRows);
  threads.ForEachPart(results.size(), [&](size_t part, size_t) {
    const size_t begin = part * kSliceRows;
    const size_t end = std::min(begin + kSliceRows, weights.rows);
    results[part] =
        ClipRows(format, weights.Rows(begin, end), importance, clipped.view().Rows(begin, end));
  });
  for (const Status& status : results) BITLOSS_DO(status);
  return format.encode(format, clipped);
}

}  // namespace bitloss

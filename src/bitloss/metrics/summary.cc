#include "bitloss/metrics/summary.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "bitloss/base/check.h"
#include "bitloss/base/sum.h"

namespace bitloss {
namespace {

// The running correction of Sum turns infinity into NaN; an infinite total needs none.
double Total(std::span<const double> values) {
  Sum sum;
  double infinite = 0;
  for (const double value : values) {
    if (std::isinf(value)) {
      infinite += value;
    } else {
      sum.Add(value);
    }
  }
  return sum.Total() + infinite;
}

double StandardDeviation(std::span<const double> values, double mean) {
  if (values.size() < 2) return 0.0;
  Sum squares;
  for (const double value : values) squares.Add((value - mean) * (value - mean));
  return std::sqrt(squares.Total() / static_cast<double>(values.size() - 1));
}

}  // namespace

double Percentile(std::span<const double> sorted, double fraction) {
  BITLOSS_CHECK(!sorted.empty() && fraction >= 0 && fraction <= 1);
  const double rank = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(rank);
  const double weight = rank - static_cast<double>(below);
  if (weight == 0 || sorted[below] == sorted[below + 1]) return sorted[below];
  return sorted[below] + weight * (sorted[below + 1] - sorted[below]);
}

Summary Summarize(std::span<const double> values) {
  BITLOSS_CHECK(!values.empty());
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());

  Summary summary;
  summary.count = sorted.size();
  const double total = Total(sorted);
  summary.mean = total / static_cast<double>(sorted.size());
  summary.max = sorted.back();
  summary.standard_deviation =
      std::isinf(total) ? std::abs(total) : StandardDeviation(sorted, summary.mean);
  summary.median = Percentile(sorted, 0.5);
  summary.p90 = Percentile(sorted, 0.9);
  summary.p95 = Percentile(sorted, 0.95);
  summary.p99 = Percentile(sorted, 0.99);
  summary.p999 = Percentile(sorted, 0.999);
  const size_t top = std::max<size_t>(1, sorted.size() / 100);
  const double carried = Total(std::span(sorted).last(top));
  if (std::isinf(total)) {
    summary.top_percent_share = 1;
  } else if (total != 0) {
    summary.top_percent_share = carried / total;
  }
  return summary;
}

}  // namespace bitloss

// A few numbers that stand for many: of per-token divergences, and of whatever else has a tail.
#ifndef BITLOSS_METRICS_SUMMARY_H_
#define BITLOSS_METRICS_SUMMARY_H_

#include <cstddef>
#include <span>

namespace bitloss {

// The value at rank f (n - 1) of the sorted values, linear between neighbours: llama.cpp's rule
// (and numpy's default), so that percentiles compare.
// Requires: `sorted` rises and is not empty; 0 <= fraction <= 1.
double Percentile(std::span<const double> sorted, double fraction);

struct Summary {
  size_t count = 0;
  double mean = 0;
  double standard_deviation = 0;  // of the sample: divisor n - 1; 0 for one value
  double median = 0;
  double p90 = 0;
  double p95 = 0;
  double p99 = 0;
  double p999 = 0;
  double max = 0;
  // Of the total, what the largest 1 % of the values carry (at least one value); 0 if the total is
  // 0. A share only makes sense for values that are not negative.
  double top_percent_share = 0;
};

// Values may be infinite (the mean then is, too), not NaN. Requires: not empty.
Summary Summarize(std::span<const double> values);

}  // namespace bitloss

#endif  // BITLOSS_METRICS_SUMMARY_H_

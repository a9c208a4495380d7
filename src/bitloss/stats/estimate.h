// A number together with how well it is known.
#ifndef BITLOSS_STATS_ESTIMATE_H_
#define BITLOSS_STATS_ESTIMATE_H_

#include <cstddef>
#include <optional>
#include <string_view>

namespace bitloss {

struct Interval {
  double low;
  double high;
};

// How an interval was made.
enum class IntervalMethod {
  kNone,           // none could be: too few clusters, or a value that is not finite
  kJackknifeT,     // value +- t SE, jackknife SE, t with effective clusters - 1 degrees of freedom
  kLogitT,         // of shares: the same on the logit scale, so that it stays within 0 and 1
  kLogBootstrapT,  // of what is never negative: bootstrap-t on the log scale (positive_mean.h)
  kPercentileBootstrap,  // of quantiles
};

constexpr std::string_view Name(IntervalMethod method) {
  switch (method) {
    case IntervalMethod::kNone:
      return "none";
    case IntervalMethod::kJackknifeT:
      return "jackknife-t";
    case IntervalMethod::kLogitT:
      return "logit-t";
    case IntervalMethod::kLogBootstrapT:
      return "log-bootstrap-t";
    case IntervalMethod::kPercentileBootstrap:
      return "percentile-bootstrap";
  }
  return "none";
}

struct Estimate {
  double value = 0;
  std::optional<double> standard_error;  // absent where there is no interval
  std::optional<Interval> interval;      // two-sided
  double confidence = 0.95;              // of the interval
  size_t num_clusters = 0;
  double effective_clusters = 0;  // (sum w)^2 / sum w^2, <= num_clusters
  IntervalMethod method = IntervalMethod::kNone;
};

}  // namespace bitloss

#endif  // BITLOSS_STATS_ESTIMATE_H_

#include "bitloss/stats/power.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "bitloss/base/check.h"
#include "bitloss/base/sum.h"
#include "bitloss/stats/distributions.h"
#include "bitloss/stats/paired_outcomes.h"

namespace bitloss {
namespace {

// k ln p, 0 for k = 0 whatever p.
double LogPower(double p, uint64_t k) {
  return k == 0 ? 0.0 : static_cast<double>(k) * std::log(p);
}

// Entry m: how many of the smaller kind of m flips still reject; none: not even 0.
std::vector<std::optional<uint64_t>> CriticalCounts(uint64_t n, double alpha) {
  std::vector<std::optional<uint64_t>> counts(n + 1);
  for (uint64_t flips = 0; flips <= n; ++flips) {
    for (uint64_t fewer = 0; 2 * fewer <= flips; ++fewer) {
      const McNemarTest test = TestMcNemar({.base_only = fewer, .lane_only = flips - fewer});
      if (test.exact > alpha) break;  // it grows with `fewer`
      counts[flips] = fewer;
    }
  }
  return counts;
}

// P(b regressions and c recoveries among n) for one (n, regression, recovery).
class Trinomial {
 public:
  Trinomial(uint64_t n, double regression, double recovery)
      : n_(n),
        regression_(regression),
        recovery_(recovery),
        stays_(std::max(0.0, 1 - regression - recovery)) {
    for (uint64_t k = 0; k <= n; ++k) {
      log_factorials_.push_back(k == 0 ? 0.0
                                       : log_factorials_.back() + std::log(static_cast<double>(k)));
    }
  }

  double Mass(uint64_t b, uint64_t c) const {
    const uint64_t rest = n_ - b - c;
    const bool impossible =
        (b > 0 && regression_ == 0) || (c > 0 && recovery_ == 0) || (rest > 0 && stays_ == 0);
    if (impossible) return 0.0;
    return std::exp(log_factorials_[n_] - log_factorials_[b] - log_factorials_[c] -
                    log_factorials_[rest] + LogPower(regression_, b) + LogPower(recovery_, c) +
                    LogPower(stays_, rest));
  }

 private:
  uint64_t n_;
  double regression_;
  double recovery_;
  double stays_;
  std::vector<double> log_factorials_;
};

double Power(const Trinomial& outcomes, std::span<const std::optional<uint64_t>> critical) {
  const uint64_t n = critical.size() - 1;
  Sum power;
  for (uint64_t b = 0; b <= n; ++b) {
    for (uint64_t c = 0; b + c <= n; ++c) {
      const std::optional<uint64_t>& fewer = critical[b + c];
      if (fewer && std::min(b, c) <= *fewer) power.Add(outcomes.Mass(b, c));
    }
  }
  return power.Total();
}

}  // namespace

uint64_t SmallestOneWayFlips(double alpha) {
  BITLOSS_CHECK(alpha > 0 && alpha < 1);
  uint64_t flips = 1;
  while (std::ldexp(2.0, -static_cast<int>(flips)) > alpha) ++flips;
  return flips;
}

double McNemarPower(uint64_t n, double regression, double recovery, double alpha) {
  BITLOSS_CHECK(n > 0 && regression >= 0 && recovery >= 0 && regression + recovery <= 1 + 1e-12);
  return Power(Trinomial(n, regression, recovery), CriticalCounts(n, alpha));
}

std::optional<double> SmallestResolvableDrop(uint64_t n, double recovery, double alpha,
                                             double power) {
  BITLOSS_CHECK(n > 0 && recovery >= 0 && recovery < 1 && power > 0 && power < 1);
  const std::vector<std::optional<uint64_t>> critical = CriticalCounts(n, alpha);
  const auto finds = [&](double drop) {
    return Power(Trinomial(n, drop + recovery, recovery), critical) >= power;
  };
  double low = 0;
  double high = 1 - 2 * recovery;  // every other prompt regresses
  if (high <= 0 || !finds(high)) return std::nullopt;
  while (high - low > 1e-6) {
    const double middle = (low + high) / 2;
    (finds(middle) ? high : low) = middle;
  }
  return high;
}

double SmallestResolvableMean(double standard_error, double degrees, double alpha, double power) {
  BITLOSS_CHECK(standard_error >= 0 && degrees > 0 && alpha > 0 && alpha < 1);
  BITLOSS_CHECK(power >= 0.5 && power < 1);
  return (StudentTQuantile(1 - alpha / 2, degrees) + StudentTQuantile(power, degrees)) *
         standard_error;
}

}  // namespace bitloss

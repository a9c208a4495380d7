#include "bitloss/stats/power.h"

#include <algorithm>
#include <cmath>

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

double LogFactorial(uint64_t n) { return std::lgamma(static_cast<double>(n) + 1); }

// P(b regressions and c recoveries among n).
double TrinomialMass(uint64_t n, uint64_t b, uint64_t c, double regression, double recovery) {
  const uint64_t rest = n - b - c;
  const double stays = std::max(0.0, 1 - regression - recovery);
  if ((b > 0 && regression == 0) || (c > 0 && recovery == 0) || (rest > 0 && stays == 0)) return 0;
  return std::exp(LogFactorial(n) - LogFactorial(b) - LogFactorial(c) - LogFactorial(rest) +
                  LogPower(regression, b) + LogPower(recovery, c) + LogPower(stays, rest));
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
  Sum power;
  for (uint64_t b = 0; b <= n; ++b) {
    for (uint64_t c = 0; b + c <= n; ++c) {
      if (TestMcNemar({.base_only = b, .lane_only = c}).exact > alpha) continue;
      power.Add(TrinomialMass(n, b, c, regression, recovery));
    }
  }
  return power.Total();
}

std::optional<double> SmallestResolvableDrop(uint64_t n, double recovery, double alpha,
                                             double power) {
  BITLOSS_CHECK(recovery >= 0 && recovery < 1 && power > 0 && power < 1);
  double low = 0;
  double high = 1 - 2 * recovery;  // every other prompt regresses
  if (high <= 0 || McNemarPower(n, high + recovery, recovery, alpha) < power) return std::nullopt;
  while (high - low > 1e-6) {
    const double middle = (low + high) / 2;
    const bool enough = McNemarPower(n, middle + recovery, recovery, alpha) >= power;
    (enough ? high : low) = middle;
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

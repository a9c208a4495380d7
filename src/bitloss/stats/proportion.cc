#include "bitloss/stats/proportion.h"

#include <cmath>

#include "bitloss/base/check.h"
#include "bitloss/stats/distributions.h"

namespace bitloss {

Interval WilsonInterval(uint64_t successes, uint64_t trials, double confidence) {
  BITLOSS_CHECK(trials > 0 && successes <= trials && confidence > 0 && confidence < 1);
  const auto n = static_cast<double>(trials);
  const double p = static_cast<double>(successes) / n;
  const double z = NormalQuantile(0.5 + confidence / 2);
  const double centre = (p + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z / (1 + z * z / n) * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  // At the ends the formula gives 0 and 1 exactly, up to rounding.
  return {successes == 0 ? 0.0 : centre - half, successes == trials ? 1.0 : centre + half};
}

Interval ClopperPearsonInterval(uint64_t successes, uint64_t trials, double confidence) {
  BITLOSS_CHECK(trials > 0 && successes <= trials && confidence > 0 && confidence < 1);
  const double tail = 0.5 - confidence / 2;
  const auto k = static_cast<double>(successes);
  const auto n = static_cast<double>(trials);
  return {successes == 0 ? 0.0 : BetaQuantile(tail, k, n - k + 1),
          successes == trials ? 1.0 : BetaQuantile(1 - tail, k + 1, n - k)};
}

}  // namespace bitloss

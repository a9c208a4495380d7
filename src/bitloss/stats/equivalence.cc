#include "bitloss/stats/equivalence.h"

#include <algorithm>
#include <cmath>

#include "bitloss/base/check.h"
#include "bitloss/stats/distributions.h"

namespace bitloss {
namespace {

// P(T >= distance / standard_error).
double UpperTail(double distance, double standard_error, double degrees) {
  if (standard_error == 0) return distance > 0 ? 0.0 : 1.0;
  const double t = distance / standard_error;
  return std::isinf(degrees) ? NormalCdf(-t) : StudentTCdf(-t, degrees);
}

}  // namespace

EquivalenceTest TestEquivalence(double value, double standard_error, double degrees, double low,
                                double high) {
  BITLOSS_CHECK(standard_error >= 0 && degrees > 0 && low < high);
  const double p_not_below = UpperTail(value - low, standard_error, degrees);
  const double p_not_above = UpperTail(high - value, standard_error, degrees);
  return {p_not_below, p_not_above, std::max(p_not_below, p_not_above)};
}

}  // namespace bitloss

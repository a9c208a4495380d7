#include "bitloss/stats/distributions.h"

#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>

#include "bitloss/base/check.h"

namespace bitloss {
namespace {

namespace bm = boost::math;

// What leaves the range of double becomes infinite or zero instead of an exception.
using Quiet = bm::policies::policy<bm::policies::overflow_error<bm::policies::ignore_error>,
                                   bm::policies::underflow_error<bm::policies::ignore_error>,
                                   bm::policies::evaluation_error<bm::policies::ignore_error>>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bm::binomial_distribution<double, Quiet> FairBinomial(uint64_t n) {
  return bm::binomial_distribution<double, Quiet>(static_cast<double>(n), 0.5);
}

}  // namespace

double NormalCdf(double z) {
  if (std::isinf(z)) return z > 0 ? 1.0 : 0.0;
  return bm::cdf(bm::normal_distribution<double, Quiet>(), z);
}

double NormalQuantile(double p) {
  BITLOSS_CHECK(p >= 0 && p <= 1);
  if (p == 0) return -kInfinity;
  if (p == 1) return kInfinity;
  return bm::quantile(bm::normal_distribution<double, Quiet>(), p);
}

double StudentTCdf(double t, double degrees) {
  BITLOSS_CHECK(degrees > 0);
  if (std::isinf(t)) return t > 0 ? 1.0 : 0.0;
  return bm::cdf(bm::students_t_distribution<double, Quiet>(degrees), t);
}

double StudentTQuantile(double p, double degrees) {
  BITLOSS_CHECK(degrees > 0 && p > 0 && p < 1);
  return bm::quantile(bm::students_t_distribution<double, Quiet>(degrees), p);
}

double BetaQuantile(double p, double a, double b) {
  BITLOSS_CHECK(a > 0 && b > 0 && p >= 0 && p <= 1);
  return bm::quantile(bm::beta_distribution<double, Quiet>(a, b), p);
}

double FairBinomialCdf(uint64_t k, uint64_t n) {
  BITLOSS_CHECK(k <= n);
  return n == 0 ? 1.0 : bm::cdf(FairBinomial(n), static_cast<double>(k));
}

double FairBinomialMass(uint64_t k, uint64_t n) {
  BITLOSS_CHECK(k <= n);
  return n == 0 ? 1.0 : bm::pdf(FairBinomial(n), static_cast<double>(k));
}

}  // namespace bitloss

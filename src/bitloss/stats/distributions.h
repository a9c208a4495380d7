// Distribution functions and quantiles, to about 1e-14 relative (Boost.Math).
#ifndef BITLOSS_STATS_DISTRIBUTIONS_H_
#define BITLOSS_STATS_DISTRIBUTIONS_H_

#include <cstdint>

namespace bitloss {

// P(Z <= z) of a standard normal; z may be infinite.
double NormalCdf(double z);

// The z with P(Z <= z) = p; infinite at p = 0 and 1. Requires: 0 <= p <= 1.
double NormalQuantile(double p);

// Student's t; degrees of freedom need not be whole. Requires: degrees > 0.
double StudentTCdf(double t, double degrees);

// Infinite where the quantile leaves the range of double (few degrees, p near 0 or 1).
// Requires: degrees > 0; 0 < p < 1.
double StudentTQuantile(double p, double degrees);

// The x with I_x(a, b) = p. Requires: a, b > 0; 0 <= p <= 1.
double BetaQuantile(double p, double a, double b);

// P(X <= k) and P(X = k) for X ~ Binomial(n, 1/2). Requires: k <= n.
double FairBinomialCdf(uint64_t k, uint64_t n);
double FairBinomialMass(uint64_t k, uint64_t n);

}  // namespace bitloss

#endif  // BITLOSS_STATS_DISTRIBUTIONS_H_

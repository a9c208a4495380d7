// ln x for doubles, the same bits on every machine (the system's log may differ in the last one).
#ifndef BITLOSS_METRICS_LOG_H_
#define BITLOSS_METRICS_LOG_H_

#include <cmath>

namespace bitloss {

// ln x to 2 ulp.  x = 2^e m with sqrt(1/2) < m <= sqrt(2);  ln m = 2 artanh(s), s = (m-1)/(m+1),
// |s| < 0.172: the terms of the series up to s^23 leave a relative error of 1e-19.
// Requires: x is a normal positive number.
inline double Log(double x) {
  int exponent = 0;
  double m = 2.0 * std::frexp(x, &exponent);  // [1, 2)
  exponent -= 1;
  if (m > 0x1.6a09e667f3bcdp+0) {
    m *= 0.5;
    exponent += 1;
  }
  const double f = m - 1.0;
  const double s = f / (m + 1.0);
  const double s2 = s * s;
  double series = 0.0;
  for (int k = 23; k >= 3; k -= 2) series = (series + 1.0 / k) * s2;
  // 2 s (1 + series) with f - f s = 2 s taken apart, so that the large part is exact.
  const double small = 2.0 * s * series;
  const double e = exponent;
  constexpr double kLn2High = 0x1.62e42feep-1;  // 32 bits: e * kLn2High is exact
  constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
  return e * kLn2High + (f + ((small - f * s) + e * kLn2Low));
}

}  // namespace bitloss

#endif  // BITLOSS_METRICS_LOG_H_

// What a study can see before it is run: the smallest effect that its size resolves.
#ifndef BITLOSS_STATS_POWER_H_
#define BITLOSS_STATS_POWER_H_

#include <cstdint>
#include <optional>

namespace bitloss {

// How many prompts must be lost, with none regained, for McNemar's exact test to give p <= alpha:
// the least f with 2 / 2^f <= alpha. Requires: 0 < alpha < 1.
uint64_t SmallestOneWayFlips(double alpha);

// How likely McNemar's exact test gives p <= alpha when each of n prompts regresses with
// probability `regression` and recovers with probability `recovery`, independently: the sum over
// all outcomes, exact. Requires: n > 0; both >= 0 with a sum <= 1; 0 < alpha < 1.
double McNemarPower(uint64_t n, double regression, double recovery, double alpha);

// The smallest true drop of the pass rate (regression - recovery) that the test finds with
// probability `power`; to 1e-6. None if even losing every prompt is not enough.
// Requires: n > 0; 0 <= recovery < 1; 0 < alpha, power < 1.
std::optional<double> SmallestResolvableDrop(uint64_t n, double recovery, double alpha,
                                             double power = 0.8);

// The same for a mean with a standard error: (t_{1 - alpha/2} + t_{power}) standard_error, by
// Student's t. Requires: standard_error >= 0; degrees > 0; 0 < alpha < 1; 0.5 <= power < 1.
double SmallestResolvableMean(double standard_error, double degrees, double alpha,
                              double power = 0.8);

}  // namespace bitloss

#endif  // BITLOSS_STATS_POWER_H_

// Seconds that pass.
#ifndef BITLOSS_BASE_STOPWATCH_H_
#define BITLOSS_BASE_STOPWATCH_H_

#include <chrono>

namespace bitloss {

using Clock = std::chrono::steady_clock;

inline double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace bitloss

#endif  // BITLOSS_BASE_STOPWATCH_H_

// BITLOSS_CHECK stops the program when the program itself is wrong; BITLOSS_DCHECK does so only in
// builds with BITLOSS_DCHECKS, for hot loops. Bad input is never a CHECK: it is a Result.
#ifndef BITLOSS_BASE_CHECK_H_
#define BITLOSS_BASE_CHECK_H_

namespace bitloss {
// Prints where and what, then aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);
}  // namespace bitloss

#define BITLOSS_CHECK(...) \
  ((__VA_ARGS__) ? static_cast<void>(0) : ::bitloss::CheckFailed(__FILE__, __LINE__, #__VA_ARGS__))

#ifdef BITLOSS_DCHECKS
#define BITLOSS_DCHECK(...) BITLOSS_CHECK(__VA_ARGS__)
#else
#define BITLOSS_DCHECK(...) static_cast<void>(0)
#endif

#endif  // BITLOSS_BASE_CHECK_H_

// Sign-flip permutation test: are paired differences as likely to be positive as negative?
#ifndef BITLOSS_STATS_SIGN_FLIP_H_
#define BITLOSS_STATS_SIGN_FLIP_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace bitloss {

enum class Alternative {
  kTwoSided,
  kGreater,  // the differences tend to be positive
  kLess,
};

struct SignFlipOptions {
  Alternative alternative = Alternative::kTwoSided;
  size_t num_draws = 100'000;  // beyond kMaxExactSignFlips differences
  uint64_t seed = 20250917;
};

constexpr size_t kMaxExactSignFlips = 20;

// The share of sign patterns whose sum of +-d is at least as extreme as that of the differences
// themselves. All 2^n patterns for n <= 20; beyond, random ones, counted with those observed:
// (1 + extreme) / (1 + draws). Sums that differ by rounding alone (1e-12 of sum |d|) count as
// equal. Differences are per prompt: several samples of one prompt are averaged before. p is 1 for
// no differences. Requires: all finite.
double SignFlipPValue(std::span<const double> differences, const SignFlipOptions& options = {});

}  // namespace bitloss

#endif  // BITLOSS_STATS_SIGN_FLIP_H_

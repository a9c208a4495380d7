#include "bitloss/stats/sign_flip.h"

#include <cmath>

#include "bitloss/base/check.h"
#include "bitloss/base/random.h"

namespace bitloss {
namespace {

// Decides whether a sum is at least as extreme as the observed one.
class Extreme {
 public:
  Extreme(std::span<const double> differences, Alternative alternative)
      : alternative_(alternative) {
    double magnitude = 0;
    for (const double d : differences) {
      BITLOSS_CHECK(std::isfinite(d));
      observed_ += d;
      magnitude += std::abs(d);
    }
    slack_ = 1e-12 * magnitude;
  }

  bool operator()(double sum) const {
    switch (alternative_) {
      case Alternative::kTwoSided:
        return std::abs(sum) >= std::abs(observed_) - slack_;
      case Alternative::kGreater:
        return sum >= observed_ - slack_;
      case Alternative::kLess:
        return sum <= observed_ + slack_;
    }
    return false;
  }

 private:
  Alternative alternative_;
  double observed_ = 0;
  double slack_ = 0;
};

// sum of d with the signs of `pattern`: bit i set turns difference i round.
double FlippedSum(std::span<const double> differences, uint64_t pattern) {
  double sum = 0;
  for (size_t i = 0; i < differences.size(); ++i) {
    sum += (pattern >> i & 1) != 0 ? -differences[i] : differences[i];
  }
  return sum;
}

double ExactPValue(std::span<const double> differences, const Extreme& extreme) {
  const uint64_t num_patterns = uint64_t{1} << differences.size();
  uint64_t count = 0;
  for (uint64_t pattern = 0; pattern < num_patterns; ++pattern) {
    if (extreme(FlippedSum(differences, pattern))) ++count;
  }
  return static_cast<double>(count) / static_cast<double>(num_patterns);
}

double RandomPValue(std::span<const double> differences, const Extreme& extreme,
                    const SignFlipOptions& options) {
  const RandomStream random(options.seed, "sign flips");
  uint64_t count = 0;
  for (uint64_t draw = 0; draw < options.num_draws; ++draw) {
    double sum = 0;
    for (size_t begin = 0; begin < differences.size(); begin += 64) {
      const size_t size = std::min<size_t>(64, differences.size() - begin);
      sum += FlippedSum(differences.subspan(begin, size), random.Bits(draw, begin / 64));
    }
    if (extreme(sum)) ++count;
  }
  return static_cast<double>(1 + count) / static_cast<double>(1 + options.num_draws);
}

}  // namespace

double SignFlipPValue(std::span<const double> differences, const SignFlipOptions& options) {
  const Extreme extreme(differences, options.alternative);
  return differences.size() <= kMaxExactSignFlips ? ExactPValue(differences, extreme)
                                                  : RandomPValue(differences, extreme, options);
}

}  // namespace bitloss

// Counter-based random numbers: a value is a pure function of (key, counter), so it does not depend
// on how many threads asked before, nor in which order.
#ifndef BITLOSS_BASE_RANDOM_H_
#define BITLOSS_BASE_RANDOM_H_

#include <array>
#include <cstdint>
#include <string_view>

namespace bitloss {

// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11): 128 bits out
// for a 128-bit counter and a 64-bit key.
std::array<uint32_t, 4> Philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// One named stream of a seed. Streams with different names, and seeds, are independent.
class RandomStream {
 public:
  RandomStream(uint64_t seed, std::string_view name);

  // 64 uniform bits at index (a, b); any pair may be asked for at any time.
  uint64_t Bits(uint64_t a, uint64_t b = 0) const;

  // Uniform in the open interval (0, 1), 53 bits.
  double Uniform(uint64_t a, uint64_t b = 0) const;

  // Standard Gumbel, -ln(-ln U): argmax_v(log p_v + Gumbel) samples from p (methodology: coupled
  // sampling).
  double Gumbel(uint64_t a, uint64_t b = 0) const;

 private:
  std::array<uint32_t, 2> key_;
};

}  // namespace bitloss

#endif  // BITLOSS_BASE_RANDOM_H_

#include "bitloss/metrics/coupled_sampling.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>

#include "bitloss/base/check.h"
#include "bitloss/metrics/top_k.h"

namespace bitloss {
namespace {

// Not below the Gumbel value of `bits`, and cheap: with U = 1 - w, -ln(-ln U) <= -ln w, and z
// leading ones mean w >= 2^-(z+1). One more for all roundings.
double GumbelBound(uint64_t bits) {
  constexpr double kLn2 = 0.6931471805599453;
  return (std::countl_one(bits) + 2) * kLn2;
}

}  // namespace

RandomStream CouplingNoise(uint64_t seed, std::string_view prompt_id, uint64_t sample) {
  return RandomStream(seed, fmt::format("coupled sampling/{}/{}", sample, prompt_id));
}

int32_t SampleCoupled(std::span<const float> logits, double temperature, const RandomStream& noise,
                      uint64_t position) {
  BITLOSS_CHECK(temperature > 0);
  const auto score = [&](size_t token) {
    return double{logits[token]} / temperature + noise.Gumbel(position, token);
  };
  // The likeliest token goes first: its score rules out nearly all others by a bound that needs no
  // logarithm.
  auto best = static_cast<size_t>(ArgMax(logits));
  double best_score = score(best);
  for (size_t token = 0; token < logits.size(); ++token) {
    const double scaled = double{logits[token]} / temperature;
    if (scaled + GumbelBound(noise.Bits(position, token)) < best_score) continue;
    const double candidate = score(token);
    if (candidate > best_score || (candidate == best_score && token < best)) {
      best = token;
      best_score = candidate;
    }
  }
  return static_cast<int32_t>(best);
}

}  // namespace bitloss

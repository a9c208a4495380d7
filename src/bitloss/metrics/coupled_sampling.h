// Sampling that two models share the dice of (Gumbel-max coupling): a difference between their
// answers is then the models', not chance's.
//
//   token = argmax_v ( logits[v] / T + G(seed, prompt, sample, position, v) ),  G standard Gumbel
//
// For each model alone this draws from softmax(logits / T). Two models with equal distributions
// always draw the same token; others agree with probability at least (1 - TV) / (1 + TV).
#ifndef BITLOSS_METRICS_COUPLED_SAMPLING_H_
#define BITLOSS_METRICS_COUPLED_SAMPLING_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "bitloss/base/random.h"

namespace bitloss {

// The dice of one sampled answer; every lane that answers the same prompt uses the same ones.
RandomStream CouplingNoise(uint64_t seed, std::string_view prompt_id, uint64_t sample);

// Draws the token at `position` of the answer. Ties go to the lowest id.
// Requires: temperature > 0; logits not empty, none NaN or +inf, one finite.
int32_t SampleCoupled(std::span<const float> logits, double temperature, const RandomStream& noise,
                      uint64_t position);

}  // namespace bitloss

#endif  // BITLOSS_METRICS_COUPLED_SAMPLING_H_

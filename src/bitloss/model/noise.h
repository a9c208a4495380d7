// Weights with Gaussian noise instead of rounding: the damage that errors of this size do when they
// have no structure. What a quantizer does beyond it (or less) is its own.
#ifndef BITLOSS_MODEL_NOISE_H_
#define BITLOSS_MODEL_NOISE_H_

#include <cstdint>

#include "bitloss/base/threads.h"
#include "bitloss/model/weights.h"

namespace bitloss {

// Each linear W of the block becomes W + scale * sd(W) * Z, sd over all its weights, Z standard
// normal: a function of (seed, layer, linear, row, column) alone. Norms and biases stay.
LayerSource WithNoise(const LayerSource& source, size_t layer, double scale, uint64_t seed,
                      ThreadPool& threads);

}  // namespace bitloss

#endif  // BITLOSS_MODEL_NOISE_H_

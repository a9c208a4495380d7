// Rotary embedding: which frequencies a model's heads turn with.
#ifndef BITLOSS_MODEL_ROPE_H_
#define BITLOSS_MODEL_ROPE_H_

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "bitloss/compute/backend.h"

namespace bitloss {

// How the frequencies theta^(-2k/rotated) are changed to reach longer contexts.
struct NoRopeScaling {};
// All divided by `factor`.
struct LinearRopeScaling {
  double factor = 1.0;
};
// Llama 3.1: those of wavelength (2 pi / frequency) above original / low_freq_factor divided by
// `factor`, those below original / high_freq_factor kept, smoothly in between.
struct Llama3RopeScaling {
  double factor = 1.0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 1.0;
  uint64_t original_max_positions = 0;
};
// Each divided by its own factor: what a GGUF file stores as rope_freqs.weight.
struct FactorsRopeScaling {
  std::vector<float> factors;  // [rotated / 2], each > 0
};
// YaRN (Peng et al. 2023): frequencies that turn more than beta_fast times within the original
// positions are kept, those that turn less than beta_slow times divided by `factor`, linearly in
// between, over whole dimensions if `truncate`.
struct YarnRopeScaling {
  double factor = 1.0;
  uint64_t original_max_positions = 0;
  double beta_fast = 32.0;
  double beta_slow = 1.0;
  bool truncate = true;
};
// Each divided by its own factor, by others in sequences that are longer than the original
// positions.
struct LongRopeScaling {
  std::vector<float> short_factors;  // [rotated / 2], each > 0
  std::vector<float> long_factors;
  uint64_t original_max_positions = 0;
};
// Of the pairs of a whole head the first `turning` as ever, divided by `factor`; the rest stand
// still.
struct ProportionalRopeScaling {
  size_t turning = 0;
  double factor = 1.0;
};
using RopeScaling =
    std::variant<NoRopeScaling, LinearRopeScaling, Llama3RopeScaling, FactorsRopeScaling,
                 YarnRopeScaling, LongRopeScaling, ProportionalRopeScaling>;

struct RopeConfig {
  double theta = 10000.0;
  size_t rotated = 0;  // elements of a head that turn, its first; 0: all
  RopePairing pairing = RopePairing::kHalves;
  RopeScaling scaling = {};
  double magnitude = 1.0;  // of cosines and sines
};

// Whether a sequence, with all that may follow it, stays within the original positions.
enum class SequenceLength { kOriginal, kBeyond };

// The rotated / 2 frequencies, in radians per position, in double.
std::vector<double> RopeInverseFrequencies(const RopeConfig& rope, size_t head_dim,
                                           SequenceLength length = SequenceLength::kOriginal);

// The longest sequence whose frequencies are those of kOriginal; 0: all have the same.
size_t OriginalLength(const RopeConfig& rope);

}  // namespace bitloss

#endif  // BITLOSS_MODEL_ROPE_H_

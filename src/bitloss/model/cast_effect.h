// What becomes of a model's weights where they are rounded to FP16 or BF16.
#ifndef BITLOSS_MODEL_CAST_EFFECT_H_
#define BITLOSS_MODEL_CAST_EFFECT_H_

#include <cstdint>

#include "bitloss/base/result.h"
#include "bitloss/model/weights.h"

namespace bitloss {

struct CastEffect {
  uint64_t num_weights = 0;  // of embedding, head (a tied one once) and decoder linears
  uint64_t num_changed = 0;
  uint64_t num_zeroed = 0;      // of these, that were not 0 and are
  double largest_change = 0.0;  // |rounded - w| / |w| over those that are changed and not zeroed
};

// Reads the whole model. kUnsupported for a weight beyond the range. Requires: precision is not
// kStored.
Result<CastEffect> EffectOfCast(const ModelSource& source, Precision precision);

}  // namespace bitloss

#endif  // BITLOSS_MODEL_CAST_EFFECT_H_

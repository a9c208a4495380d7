#include "bitloss/model/cast_effect.h"

#include <algorithm>
#include <cmath>

namespace bitloss {
namespace {

void Add(std::span<const float> before, std::span<const float> after, CastEffect& effect) {
  effect.num_weights += before.size();
  for (size_t i = 0; i < before.size(); ++i) {
    if (after[i] == before[i]) continue;
    ++effect.num_changed;
    if (after[i] == 0.0f) {
      ++effect.num_zeroed;
      continue;
    }
    const double change = std::abs((double{after[i]} - before[i]) / before[i]);
    effect.largest_change = std::max(effect.largest_change, change);
  }
}

}  // namespace

Result<CastEffect> EffectOfCast(const ModelSource& source, Precision precision) {
  CastEffect effect;
  ThreadPool alone(1);
  const auto add_table = [&](auto read) -> Status {
    BITLOSS_TRY(const EncodedMatrix before, (source.*read)(Precision::kStored, alone));
    BITLOSS_TRY(const EncodedMatrix after, (source.*read)(precision, alone));
    std::vector<float> row_before(before.cols), row_after(before.cols);
    for (size_t row = 0; row < before.rows; ++row) {
      before.format.decode(before, row, 0, row_before);
      after.format.decode(after, row, 0, row_after);
      Add(row_before, row_after, effect);
    }
    return Ok();
  };
  BITLOSS_DO(add_table(&ModelSource::Embedding));
  if (!source.tied_head()) BITLOSS_DO(add_table(&ModelSource::Head));
  for (size_t layer = 0; layer < source.config().num_layers; ++layer) {
    BITLOSS_TRY(const LayerSource before, source.Layer(layer, Precision::kStored));
    BITLOSS_TRY(const LayerSource after, source.Layer(layer, precision));
    for (size_t i = 0; i < before.weights.size(); ++i) {
      Add(before.weights[i].flat(), after.weights[i].flat(), effect);
    }
  }
  return effect;
}

}  // namespace bitloss

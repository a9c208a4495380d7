#include "bitloss/eval/expert_choices.h"

#include <algorithm>
#include <limits>

namespace bitloss {
namespace {

constexpr size_t kNowhere = std::numeric_limits<size_t>::max();

}  // namespace

ExpertChoices::ExpertChoices(const ModelConfig& config) {
  for (size_t layer = 0; layer < config.num_layers && config.experts; ++layer) {
    if (config.layer(layer).has_experts) layers_.push_back(static_cast<uint32_t>(layer));
  }
  if (config.experts) num_chosen_ = config.experts->chosen;
}

void ExpertChoices::LookAt(std::span<const size_t> rows, size_t num_rows) {
  places_.assign(num_rows, kNowhere);
  for (size_t place = 0; place < rows.size(); ++place) places_[rows[place]] = place;
  choices_.assign(rows.size() * width(), 0);
}

void ExpertChoices::Chosen(size_t layer, size_t first_row, const Routing& routing) {
  const auto slot = static_cast<size_t>(std::ranges::find(layers_, layer) - layers_.begin());
  BITLOSS_CHECK(slot < layers_.size());
  std::vector<size_t> filled;  // by place, of this layer
  filled.resize(width() == 0 ? 0 : choices_.size() / width());
  for (size_t expert = 0; expert < routing.experts.size(); ++expert) {
    for (const size_t row : routing.experts[expert].rows) {
      const size_t place = places_[first_row + row];
      if (place == kNowhere) continue;
      choices_[place * width() + slot * num_chosen_ + filled[place]++] =
          static_cast<uint16_t>(expert);
    }
  }
}

void ExpertChoices::Save(size_t place, std::span<float> to) const {
  const auto from = std::span(choices_).subspan(place * width(), width());
  std::ranges::transform(from, to.begin(), [](uint16_t e) { return static_cast<float>(e); });
}

void ExpertChoices::Restore(size_t place, std::span<const float> from) {
  const auto to = std::span(choices_).subspan(place * width(), width());
  std::ranges::transform(from, to.begin(), [](float e) { return static_cast<uint16_t>(e); });
}

std::span<const uint16_t> ExpertChoices::At(size_t place, size_t slot) const {
  return std::span(choices_).subspan(place * width() + slot * num_chosen_, num_chosen_);
}

ExpertChanges ExpertChoices::ChangesFrom(const ExpertChoices& baseline, size_t begin,
                                         size_t end) const {
  ExpertChanges changes;
  changes.layers = layers_;
  for (size_t slot = 0; slot < layers_.size(); ++slot) {
    for (size_t place = begin; place < end; ++place) {
      const bool same = std::ranges::equal(At(place, slot), baseline.At(place, slot));
      changes.changed.push_back(same ? 0 : 1);
    }
  }
  return changes;
}

}  // namespace bitloss

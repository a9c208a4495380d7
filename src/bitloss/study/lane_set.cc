#include "bitloss/study/lane_set.h"

#include <algorithm>

#include "bitloss/base/stopwatch.h"
#include "bitloss/study/stored_lanes.h"

namespace bitloss {
namespace {

// The schemes of the plans, in order, those of a mixed lane one after the other.
std::vector<Scheme> SchemesOf(std::span<const LanePlan> plans) {
  std::vector<Scheme> schemes;
  for (const LanePlan& plan : plans) {
    if (plan.stored) continue;
    if (plan.mixed) {
      schemes.insert(schemes.end(), plan.mixed->components.begin(), plan.mixed->components.end());
    } else {
      schemes.push_back(plan.scheme);
    }
  }
  return schemes;
}

}  // namespace

Result<std::unique_ptr<LaneSet>> LaneSet::Open(const ModelSource& source, const Backend& backend,
                                               std::span<const LanePlan> plans, uint64_t seed,
                                               const FittedBlocks& fitted) {
  BITLOSS_TRY(BlockMaker maker, BlockMaker::Open(source, backend, SchemesOf(plans), seed, fitted));
  std::unique_ptr<LaneSet> set(new LaneSet(source.config(), std::move(maker)));
  size_t next = 0;
  for (const LanePlan& plan : plans) {
    Place& place = set->places_.emplace_back();
    BuiltLane& lane = set->lanes_.emplace_back();
    place.head_only = plan.head_only;
    if (plan.stored) {
      place.stored = true;
      auto stored = BuildStoredLane(plan.stored->source, backend, plan.stored_inputs, {});
      if (!stored.ok()) return Within(plan.stored->path.string(), stored.error());
      lane = std::move(stored).value();
      continue;
    }
    place.first = next;
    place.mixed = plan.mixed;
    next += plan.mixed ? plan.mixed->components.size() : 1;
    BITLOSS_TRY(lane.weights, set->maker_.WithoutBlocks(place.first));
    if (plan.mixed) lane.weights.size = SizeOf(*plan.mixed, source);
  }
  return set;
}

Result<LayerWeights> LaneSet::Make(size_t i, size_t layer) {
  const auto start = Clock::now();
  const Place& place = places_[i];
  BITLOSS_TRY(LayerWeights block, maker_.Make(place.first, layer));
  if (place.mixed) {
    const auto& choices = place.mixed->choices[layer];
    for (size_t component = 1; component < place.mixed->components.size(); ++component) {
      if (std::ranges::find(choices, component) == choices.end()) continue;
      BITLOSS_TRY(LayerWeights other, maker_.Make(place.first + component, layer));
      for (size_t l = 0; l < block.linears.size(); ++l) {
        if (choices[static_cast<size_t>(block.plan->linears[l].kind)] == component)
          std::swap(block.linears[l], other.linears[l]);
      }
    }
  }
  lanes_[i].seconds += SecondsSince(start);
  return block;
}

Result<uint64_t> LaneSet::PackedBytes(size_t i) {
  const Place& place = places_[i];
  if (HasBlocksElsewhere(i)) return uint64_t{0};
  uint64_t largest = 0;
  const size_t num_components = place.mixed ? place.mixed->components.size() : 1;
  for (size_t component = 0; component < num_components; ++component) {
    BITLOSS_TRY(const uint64_t bytes, maker_.PackedBlockBytes(place.first + component));
    largest = std::max(largest, bytes);
  }
  return largest * config_.num_layers;
}

Status LaneSet::HoldAll(const std::function<void(size_t)>& layer_done) {
  for (size_t layer = 0; layer < config_.num_layers; ++layer) {
    for (size_t i = 0; i < lanes_.size(); ++i) {
      if (HasBlocksElsewhere(i)) continue;
      BITLOSS_TRY(LayerWeights block, Make(i, layer));
      lanes_[i].weights.layers.push_back(std::move(block));
    }
    layer_done(layer + 1);
  }
  maker_.Forget();
  holds_all_ = true;
  return Ok();
}

Status LaneSet::Hold(size_t i) {
  if (holds_all_ || HasBlocksElsewhere(i) || !lanes_[i].weights.layers.empty()) return Ok();
  LetGo();
  for (size_t layer = 0; layer < config_.num_layers; ++layer) {
    BITLOSS_TRY(LayerWeights block, Make(i, layer));
    lanes_[i].weights.layers.push_back(std::move(block));
  }
  maker_.Forget();
  return Ok();
}

void LaneSet::LetGo() {
  if (holds_all_) return;
  for (size_t i = 0; i < lanes_.size(); ++i) {
    if (!HasBlocksElsewhere(i)) lanes_[i].weights.layers.clear();
  }
}

Status LaneSet::ForEachBlock(size_t layer, std::span<const size_t> lanes, const Use& use) {
  LetGo();
  for (size_t i = 0; i < lanes.size(); ++i) {
    const std::vector<LayerWeights>& held = lanes_[lanes[i]].weights.layers;
    if (!held.empty()) {
      use(i, held[layer]);
      continue;
    }
    BITLOSS_TRY(const LayerWeights block, Make(lanes[i], layer));
    use(i, block);
  }
  return Ok();
}

}  // namespace bitloss

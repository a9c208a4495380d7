// Which experts tokens choose, of the rows that a comparison looks at.
#ifndef BITLOSS_EVAL_EXPERT_CHOICES_H_
#define BITLOSS_EVAL_EXPERT_CHOICES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "bitloss/metrics/expert_changes.h"
#include "bitloss/model/transformer.h"

namespace bitloss {

// Of one lane and one batch. In a layer a row's experts are kept by rising number.
class ExpertChoices final : public RoutingWatch {
 public:
  // Of no rows.
  explicit ExpertChoices(const ModelConfig& config);

  // Forgets what it has and looks at `rows` of a batch of `num_rows`, which differ.
  void LookAt(std::span<const size_t> rows, size_t num_rows);
  void Chosen(size_t layer, size_t first_row, const Routing& routing) override;

  // Numbers for a row, of all layers with experts: 0 for a model without.
  size_t width() const { return layers_.size() * num_chosen_; }
  // Of the row that stands at `place` among those looked at. As numbers that go to a file, and
  // back.
  void Save(size_t place, std::span<float> to) const;
  void Restore(size_t place, std::span<const float> from);

  // What this lane chooses otherwise than `baseline` on rows [begin, end) of those looked at.
  // Requires: both looked at the same rows.
  ExpertChanges ChangesFrom(const ExpertChoices& baseline, size_t begin, size_t end) const;

 private:
  std::span<const uint16_t> At(size_t place, size_t slot) const;

  std::vector<uint32_t> layers_;
  size_t num_chosen_ = 0;
  std::vector<size_t> places_;     // by row of the batch; kNowhere for those not looked at
  std::vector<uint16_t> choices_;  // [place][layer][chosen]
};

}  // namespace bitloss

#endif  // BITLOSS_EVAL_EXPERT_CHOICES_H_

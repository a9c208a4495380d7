// Every lane beside the baseline on the units of a text under a protocol.
#ifndef BITLOSS_STUDY_PASSES_TEXT_PASS_H_
#define BITLOSS_STUDY_PASSES_TEXT_PASS_H_

#include <vector>

#include "bitloss/data/protocol.h"
#include "bitloss/study/passes/item_scoring.h"
#include "bitloss/study/passes/pass.h"

namespace bitloss {

// Of the lanes beyond the baseline those run that lack a unit.
class TextPass : public Pass {
 public:
  // `protocol` is its number in the manifest. Requires: the windows outlive the pass.
  TextPass(const Windows& windows, size_t protocol) : windows_(windows), protocol_(protocol) {}

  Result<bool> IsPending(const Store& store, std::span<const size_t> lanes) const override;
  Result<bool> NeedsBaseline(const Store& store, const BaselineRows& rows,
                             std::span<const size_t> lanes) const override;
  Status Run(const PassWork& work) const override;

 private:
  // Units that some of the lanes lack.
  Result<std::vector<size_t>> Pending(const Store& store, std::span<const size_t> lanes) const;
  // The baseline, and of the others those that lack a unit.
  Result<std::vector<StudyLane>> LanesLacking(const Store& store,
                                              std::span<const StudyLane> lanes) const;
  Status Score(const ItemScoring& scoring, std::span<const size_t> units, BaselineRowsAre rows,
               Progress& state) const;
  Status Put(const ItemScoring& scoring, std::span<const size_t> units, BaselineRowsAre rows,
             Scorer::GroupScores group) const;
  RowsList rows_list() const { return {RowsOf::kText, protocol_}; }

  const Windows& windows_;
  size_t protocol_;
};

}  // namespace bitloss

#endif  // BITLOSS_STUDY_PASSES_TEXT_PASS_H_

// What passes share that score a list of items (units of a text, prompts of a suite) in groups on
// the crew's ranks: the baseline's blocks run on items whose rows are not kept, and those rows are
// kept then.
#ifndef BITLOSS_STUDY_PASSES_ITEM_SCORING_H_
#define BITLOSS_STUDY_PASSES_ITEM_SCORING_H_

#include <functional>
#include <span>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/study/passes/pass.h"

namespace bitloss {

// Whose rows a list of items has in the file of kept rows.
struct RowsList {
  RowsOf of = RowsOf::kText;
  size_t list = 0;

  RowsKey Key(size_t item) const { return {of, list, item}; }
};

// Items whose rows are kept come first, in order, then the others. The number of the former.
Result<size_t> PutKeptFirst(const BaselineRows& rows, RowsList list, std::vector<size_t>& items);

// Whether the baseline's rows of a call are all kept, or made by it and kept then, or made and
// forgotten, because no item of the list has any.
enum class BaselineRowsAre { kKept, kMade, kForgotten };

struct ItemScoring {
  const PassWork& work;
  std::span<const StudyLane> lanes;  // the baseline first
  RowsList list;

  // Stores a group [begin, end) of a call's sequences, one call at a time.
  using Put = std::function<Status(size_t begin, size_t end, Scorer::GroupScores)>;

  // Scores sequences, which stand for `items`.
  Status Score(std::span<const ScoredSequence> sequences, std::span<const size_t> items,
               BaselineRowsAre rows, const Put& put) const;
};

// What a scorer found for its lanes, by the numbers that the lanes have in the study. Requires: as
// many scores as lanes, and experts of all lanes but the first or of none.
void NameLanes(std::span<const StudyLane> lanes, std::span<TokenScores> scores);
void NameLanes(std::span<const StudyLane> lanes, std::span<ExpertChanges> experts);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_PASSES_ITEM_SCORING_H_

#ifndef BITLOSS_STUDY_TEXT_PASS_H_
#define BITLOSS_STUDY_TEXT_PASS_H_

#include <span>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/data/protocol.h"
#include "bitloss/eval/scoring.h"
#include "bitloss/store/baseline_rows.h"
#include "bitloss/store/store.h"
#include "bitloss/study/progress.h"

namespace bitloss {

// A lane that is ready to run, and its number in the study.
struct StudyLane {
  size_t lane = 0;
  NamedLane named;
};

std::vector<NamedLane> NamedLanes(std::span<const StudyLane> lanes);

// A lane's scores as the study stores them.
TokenScores ToRecord(size_t lane, LaneScores scores);

// Units of protocol number `protocol` that some of the lanes lack.
Result<std::vector<size_t>> PendingUnits(const Store& store, size_t protocol, size_t num_units,
                                         std::span<const size_t> lanes);

// Scores the units of protocol number `protocol` that some lane still lacks, a group of sequences
// at a time; each finished group's units are in the store before the next begins. lanes[0] is the
// baseline; of the others those run that lack a unit. The baseline's blocks run on units whose rows
// are not kept, and those rows are kept then.
Status RunTextPass(Transformer& transformer, std::span<const StudyLane> lanes,
                   const Windows& windows, size_t protocol, Store& store, BaselineRows& rows,
                   const ProgressSink& progress);

// For passes that compare lanes with the baseline: the items (units, prompts) of `of` whose
// baseline rows are kept come first, in order, then the others. The number of the former.
Result<size_t> PutKeptFirst(const BaselineRows& rows, RowsOf of, size_t list,
                            std::vector<size_t>& items);

// Scores a group of sequences; `items` are their units or prompts. With kept rows the baseline's
// blocks are not run; without, the rows are kept. Whether they were is `kept`.
Result<Scorer::GroupScores> ScoreItems(Scorer& scorer, std::span<const ScoredSequence> group,
                                       RowsOf of, size_t list, std::span<const size_t> items,
                                       bool kept, BaselineRows& rows);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_TEXT_PASS_H_

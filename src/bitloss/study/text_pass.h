#ifndef BITLOSS_STUDY_TEXT_PASS_H_
#define BITLOSS_STUDY_TEXT_PASS_H_

#include <functional>
#include <span>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/data/protocol.h"
#include "bitloss/eval/scoring.h"
#include "bitloss/store/baseline_rows.h"
#include "bitloss/store/store.h"
#include "bitloss/study/crew.h"
#include "bitloss/study/progress.h"

namespace bitloss {

// A lane's scores as the study stores them.
TokenScores ToRecord(size_t lane, LaneScores scores);

// Units of protocol number `protocol` that some of the lanes lack.
Result<std::vector<size_t>> PendingUnits(const Store& store, size_t protocol, size_t num_units,
                                         std::span<const size_t> lanes);

// Scores the units of protocol number `protocol` that some lane of the crew still lacks, a group of
// sequences at a time; a finished group's units are in the store at once. Of the lanes beyond the
// baseline those run that lack a unit. The baseline's blocks run on units whose rows are not kept,
// and those rows are kept then. On rank 0.
Status RunTextPass(Crew& crew, const Windows& windows, size_t protocol, Store& store,
                   BaselineRows& rows, const ProgressSink& progress);

// For passes that compare lanes with the baseline: the items (units, prompts) of `of` whose
// baseline rows are kept come first, in order, then the others. The number of the former.
Result<size_t> PutKeptFirst(const BaselineRows& rows, RowsOf of, size_t list,
                            std::vector<size_t>& items);

// Scores the sequences, which stand for units or prompts `items`, in groups on the crew's ranks.
// With kept rows (`kept`: all of them are) the baseline's blocks are not run; without, the rows are
// kept. put(begin, end, scores) stores a group [begin, end) of the sequences, one call at a time.
Status ScoreItems(Crew& crew, std::span<const StudyLane> lanes,
                  std::span<const ScoredSequence> sequences, RowsOf of, size_t list,
                  std::span<const size_t> items, bool kept, BaselineRows& rows,
                  const std::function<Status(size_t, size_t, Scorer::GroupScores)>& put);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_TEXT_PASS_H_

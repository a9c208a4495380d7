#ifndef BITLOSS_STUDY_TEXT_PASS_H_
#define BITLOSS_STUDY_TEXT_PASS_H_

#include <span>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/data/protocol.h"
#include "bitloss/eval/scoring.h"
#include "bitloss/store/store.h"
#include "bitloss/study/progress.h"

namespace bitloss {

// A lane that is ready to run, and its number in the study.
struct StudyLane {
  size_t lane = 0;
  NamedLane named;
};

// A lane's scores as the study stores them.
TokenScores ToRecord(size_t lane, LaneScores scores);

// Whether every lane has every unit of the protocol.
Result<bool> TextIsComplete(const Store& store, size_t protocol, size_t num_units,
                            std::span<const size_t> lanes);

// Scores the units of protocol number `protocol` that some lane still lacks, a group of sequences
// at a time; each finished group's units are in the store before the next begins. lanes[0] is the
// baseline; it runs beside every lane, whether its own numbers are stored or not.
Status RunTextPass(Transformer& transformer, std::span<const StudyLane> lanes,
                   const Windows& windows, size_t protocol, Store& store,
                   const ProgressSink& progress);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_TEXT_PASS_H_

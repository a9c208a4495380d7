// The main job: a study from a model's name to its reports.
#ifndef BITLOSS_STUDY_RUN_H_
#define BITLOSS_STUDY_RUN_H_

#include <filesystem>
#include <string>

#include "bitloss/base/result.h"
#include "bitloss/study/options.h"
#include "bitloss/study/progress.h"
#include "bitloss/team/team.h"

namespace bitloss {

// Measures what the study in options.out does not hold yet and stores it; a study that is complete
// costs nothing. Everything that can be refused is refused before the first long computation.
// Reports are made from the study's folder afterwards (report/report_data.h).
//
// Called by every rank of the team with the same options: rank 0 plans, stores and deals, the
// others read the model, make the same lanes and do what they are dealt. An error is the same on
// all of them; only rank 0 calls `progress`.
Status RunStudy(const StudyOptions& options, Team& team, const ProgressSink& progress);

// A hash of everything that the study's numbers depend on: the model, texts, suites and options,
// and each lane's name and inputs (LaneRecord::identity). A cache of studies is keyed by it. Reads
// every file and computes nothing.
Result<std::string> StudyIdentity(const StudyOptions& options);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_RUN_H_

// The main job: a study from a model's name to its reports.
#ifndef BITLOSS_STUDY_RUN_H_
#define BITLOSS_STUDY_RUN_H_

#include <filesystem>
#include <string>

#include "bitloss/base/result.h"
#include "bitloss/study/options.h"
#include "bitloss/study/progress.h"

namespace bitloss {

// Measures what the study in options.out does not hold yet and stores it; a study that is complete
// costs nothing. Everything that can be refused is refused before the first long computation.
// Reports are made from the study's folder afterwards (report/report_data.h).
Status RunStudy(const StudyOptions& options, const ProgressSink& progress);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_RUN_H_

// What a study measures: the model, its texts, suites, tasks and calibration, and the manifest that
// names them. Made from the options alone, so every rank makes the same.
#ifndef BITLOSS_STUDY_STUDY_PLAN_H_
#define BITLOSS_STUDY_STUDY_PLAN_H_

#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/store/manifest.h"
#include "bitloss/study/lanes.h"
#include "bitloss/study/model_files.h"
#include "bitloss/study/prompts.h"
#include "bitloss/study/run.h"
#include "bitloss/study/tasks.h"
#include "bitloss/study/texts.h"

namespace bitloss {

// Everything that a study measures, before anything is computed.
struct StudyPlan {
  ModelFiles model;
  std::vector<StudyText> texts;  // one for each text and protocol
  std::vector<StudySuite> suites;
  std::vector<StudyTask> tasks;
  Calibration calibration;
  Manifest manifest;
};

// Reads everything and computes nothing. Errors: whatever is wrong with the model, a text, a suite,
// a task or an option, each by name.
Result<StudyPlan> MakeStudyPlan(const StudyOptions& options);

// The same without its manifest, for which every byte of the model is read.
Result<StudyPlan> ReadStudyPlan(const StudyOptions& options);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_STUDY_PLAN_H_

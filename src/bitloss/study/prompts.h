// A suite's prompts as a model reads them.
#ifndef BITLOSS_STUDY_PROMPTS_H_
#define BITLOSS_STUDY_PROMPTS_H_

#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/data/suite.h"
#include "bitloss/eval/generation.h"
#include "bitloss/study/model_files.h"
#include "bitloss/study/options.h"

namespace bitloss {

struct StudySuite {
  Suite suite;
  std::vector<GenerationPrompt> prompts;  // in the suite's order, rendered and encoded
};

// The suite that options.suite names ("core96", "tiny96", a file), or the one that suits the model;
// no suites for "none". Every prompt is rendered by the chat template and encoded. kBadInput names
// a prompt that leaves the model no position to answer in.
Result<std::vector<StudySuite>> LoadSuites(const ModelFiles& model, const StudyOptions& options);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_PROMPTS_H_

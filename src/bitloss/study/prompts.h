// A suite's prompts as a model reads them.
#ifndef BITLOSS_STUDY_PROMPTS_H_
#define BITLOSS_STUDY_PROMPTS_H_

#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/data/suite.h"
#include "bitloss/data/thinking.h"
#include "bitloss/eval/generation.h"
#include "bitloss/study/model_files.h"
#include "bitloss/study/options.h"

namespace bitloss {

struct StudySuite {
  Suite suite;
  std::vector<GenerationPrompt> prompts;  // in the suite's order, rendered and encoded
  std::vector<Thinking> thinking;         // of each prompt's answer

  // What the manifest records of the rendering.
  bool is_plain = false;  // a chat suite, but the model has no template: prompts as they are
  // --set of the user, and enable_thinking=false where the template asks for it and nothing else
  // was said; as NAME=JSON.
  std::vector<std::string> chat_variables;
  std::string chat_template_sha256;  // of one that came from a file that the user named; or empty
};

// The suite that options.suite names ("core96", "tiny96", a file), or the one that suits the model;
// no suites for "none". Of n prompts options.max_prompts keeps those numbered floor(i n / max),
// whatever their categories. Every prompt is rendered by the chat template and encoded. kBadInput names
// a prompt that leaves the model no position to answer in.
Result<std::vector<StudySuite>> LoadSuites(const ModelFiles& model, const StudyOptions& options);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_PROMPTS_H_

// An answer as a study stores it.
#ifndef BITLOSS_STUDY_PASSES_TO_ANSWER_H_
#define BITLOSS_STUDY_PASSES_TO_ANSWER_H_

#include "bitloss/eval/generation.h"
#include "bitloss/store/records.h"
#include "bitloss/study/prompts.h"

namespace bitloss {

// A suite of a study, and what turns ids into the text that is checked. Requires: both outlive it.
struct SuiteToAnswer {
  const StudySuite& suite;
  size_t index;  // in the manifest
  const Tokenizer& tokenizer;
};

// A lane's answer to a prompt of the suite, checked: its thinking, if it was asked to think, is no
// part of what checks look at.
Answer ToAnswer(Generated generated, const SuiteToAnswer& suite, size_t lane, size_t prompt);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_PASSES_TO_ANSWER_H_

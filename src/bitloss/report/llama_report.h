// A study as llama-perplexity prints one, for those who know its names.
#ifndef BITLOSS_REPORT_LLAMA_REPORT_H_
#define BITLOSS_REPORT_LLAMA_REPORT_H_

#include <string>

#include "bitloss/base/result.h"
#include "bitloss/store/store.h"

namespace bitloss {

// Of each text: the baseline's running perplexity and final estimate as a plain run prints them,
// then of each lane what --kl-divergence prints: a line a chunk and the statistics, under the same
// names and in the same columns. Lines that begin with '#' are ours: which lane, text and protocol;
// how a protocol other than llamacpp-512 differs. docs/report.md says where numbers of the same
// files may differ from the program's own.
//
// kBadInput if the study has no text, or is damaged.
Result<std::string> WriteLlamaReport(const Store& store);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_LLAMA_REPORT_H_

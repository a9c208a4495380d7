// Sampled answers, lane against baseline under the same dice, beside the baseline against itself
// under other dice: how different two honest samples are. Every likeness of a lane's answers lies
// between that and being identical, and is told as its place there.
#ifndef BITLOSS_REPORT_SAMPLES_H_
#define BITLOSS_REPORT_SAMPLES_H_

#include <span>

#include "bitloss/report/report_data.h"
#include "bitloss/report/tables.h"

namespace bitloss {

// By prompt, then sample, as the store gives them.
using LaneSamples = std::vector<SampledAnswer>;

// Over the prompts that lane and baseline have both sampled; the reference over all pairs of one
// prompt's samples of the baseline. With lane == baseline (the same object) there is the reference
// alone. None without such prompts.
std::optional<SampleResult> MeasureSamples(const LaneSamples& baseline, const LaneSamples& lane,
                                           ThreadPool& threads);

// One row for each lane; no rows without samples.
Table SampleTable(const ReportData& report, size_t suite);

// "8 samples of each of 96 prompts ..."; empty without samples.
std::string SampleCaption(const ReportData& report, size_t suite);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_SAMPLES_H_

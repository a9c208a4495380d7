// Answers that every lane samples to every prompt, beside the answers that are checked and compared
// in full: sample k throws the same dice in every lane, so lanes with equal distributions give
// equal answers; samples of the baseline under different dice show how different two honest answers
// are.
#ifndef BITLOSS_STUDY_SAMPLE_PASS_H_
#define BITLOSS_STUDY_SAMPLE_PASS_H_

#include <span>

#include "bitloss/base/result.h"
#include "bitloss/store/store.h"
#include "bitloss/study/answer_pass.h"

namespace bitloss {

// Whether every lane has all its samples for suite number `suite`.
Result<bool> SamplesAreComplete(const Store& store, size_t suite, size_t num_prompts,
                                size_t num_samples, std::span<const size_t> lanes);

// Every lane samples what it has not sampled yet, all prompts of a sample as one batch, whose
// answers are checked and stored together. Requires: options.generation.sampling is set; its sample
// is ignored. On rank 0.
Status RunSamplePass(Crew& crew, const StudySuite& suite, size_t suite_index, size_t num_samples,
                     AnswerOptions options, Store& store, const ProgressSink& progress);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_SAMPLE_PASS_H_

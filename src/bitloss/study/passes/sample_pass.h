// Answers that every lane samples to every prompt, beside the answers that are checked and compared
// in full: sample k throws the same dice in every lane, so lanes with equal distributions give
// equal answers; samples of the baseline under different dice show how different two honest answers
// are.
#ifndef BITLOSS_STUDY_PASSES_SAMPLE_PASS_H_
#define BITLOSS_STUDY_PASSES_SAMPLE_PASS_H_

#include <vector>

#include "bitloss/study/passes/pass.h"
#include "bitloss/study/passes/to_answer.h"

namespace bitloss {

// All prompts of a sample are one batch, whose answers are checked and stored together.
class SamplePass : public Pass {
 public:
  // Requires: options.sampling is set; its sample is ignored.
  SamplePass(SuiteToAnswer suite, size_t num_samples, GenerationOptions options);

  Result<bool> IsPending(const Store& store, std::span<const size_t> lanes) const override;
  // Never: the baseline samples for itself alone.
  Result<bool> NeedsBaseline(const Store&, const BaselineRows&,
                             std::span<const size_t>) const override {
    return false;
  }
  Status Run(const PassWork& work) const override;

 private:
  // Prompts of which a lane lacks a sample.
  Result<std::vector<size_t>> Pending(const Store& store, size_t lane, uint32_t sample) const;

  SuiteToAnswer suite_;
  size_t num_samples_;
  GenerationOptions options_;
};

}  // namespace bitloss

#endif  // BITLOSS_STUDY_PASSES_SAMPLE_PASS_H_

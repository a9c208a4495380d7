// A pass: one kind of number that a study measures of every lane. What asks for all of them goes
// through the list (passes.h) and knows none by name.
#ifndef BITLOSS_STUDY_PASSES_PASS_H_
#define BITLOSS_STUDY_PASSES_PASS_H_

#include <span>

#include "bitloss/base/result.h"
#include "bitloss/store/baseline_rows.h"
#include "bitloss/store/store.h"
#include "bitloss/study/crew.h"
#include "bitloss/study/progress.h"

namespace bitloss {

// What a pass works with, on rank 0.
struct PassWork {
  Crew& crew;
  Store& store;
  BaselineRows& rows;
  const ProgressSink& progress;
};

class Pass {
 public:
  virtual ~Pass() = default;

  // Whether some of `lanes`, numbers in the study, lack a number.
  virtual Result<bool> IsPending(const Store& store, std::span<const size_t> lanes) const = 0;

  // Whether what `lanes` lack asks for the baseline's blocks, where the baseline itself lacks
  // nothing.
  virtual Result<bool> NeedsBaseline(const Store& store, const BaselineRows& rows,
                                     std::span<const size_t> lanes) const = 0;

  // Measures what lanes of the crew lack. A piece that is done is in the store at once.
  virtual Status Run(const PassWork& work) const = 0;
};

}  // namespace bitloss

#endif  // BITLOSS_STUDY_PASSES_PASS_H_

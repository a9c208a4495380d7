// Operations that go through a sequence token by token, by loops of the host's in FP32: every
// multiplication and addition rounded by itself, in an order that is the same for one token at a
// time, for a whole text and on every machine.
#ifndef BITLOSS_COMPUTE_RECURRENCE_H_
#define BITLOSS_COMPUTE_RECURRENCE_H_

#include <span>

#include "bitloss/base/threads.h"
#include "bitloss/compute/backend.h"

namespace bitloss {

// A RecurrentSequence whose state the host sees.
struct HostRecurrentSequence {
  RowRange rows;
  MatrixView state;
};

// Shapes as in Backend::ShortConvolution.
void ConvolveRows(ConstMatrixView kernel, ConstMatrixView x,
                  std::span<const HostRecurrentSequence> sequences, ThreadPool& threads,
                  MatrixView y);

// What DeltaInputs holds, where the host sees it.
struct HostDeltaInputs {
  ConstMatrixView queries;
  ConstMatrixView keys;
  ConstMatrixView values;
  ConstMatrixView decays;
  ConstMatrixView rates;
};

// Shapes as in Backend::DeltaRule.
void RunDeltaRule(const DeltaShape& shape, const HostDeltaInputs& inputs,
                  std::span<const HostRecurrentSequence> sequences, ThreadPool& threads,
                  MatrixView out);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_RECURRENCE_H_

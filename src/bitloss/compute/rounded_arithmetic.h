// The arithmetic of A/A controls: the model's own weights, computed as other engines compute them.
// Loops over the host's memory.
#ifndef BITLOSS_COMPUTE_ROUNDED_ARITHMETIC_H_
#define BITLOSS_COMPUTE_ROUNDED_ARITHMETIC_H_

#include <span>

#include "bitloss/base/threads.h"
#include "bitloss/compute/host_tensor.h"
#include "bitloss/quant/scheme.h"

namespace bitloss {

// Whether an execution rounds what goes into and comes out of every linear.
bool RoundsActivations(Execution::Kind execution);

// Every element to the nearest BF16 (kBf16Activations) or FP16 (kFp16Emulation) value, ties to
// even; beyond FP16's range: infinite. Requires: RoundsActivations(execution).
void RoundRows(Execution::Kind execution, ThreadPool& threads, MatrixView x);

// Attention as eager FP16 code computes it: q, k and v rounded to FP16; each score q . k summed in
// FP32 over ascending elements and rounded, multiplied by 1 / sqrt(head_dim) and rounded again;
// softmax in FP32, its probabilities rounded; the weighted sum of values in FP32 over ascending
// keys, rounded. A score beyond 65,504 is infinite, as it is there. Shapes as in
// Backend::Attention.
void AttendInFp16(const AttentionShape& shape, ConstMatrixView queries,
                  std::span<const HostSequence> sequences, ThreadPool& threads, MatrixView out);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_ROUNDED_ARITHMETIC_H_

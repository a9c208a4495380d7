// Attention with a streamed softmax: keys are visited in tiles of kKeyTile, aligned to the absolute
// position, so a query's arithmetic is the same whether it came alone (decoding) or in a batch.
//
// For a query q and its tiles in ascending order:
//   s[key] = sum_d q[d] k[key][d], d ascending, one fused multiply-add per term
//   m' = max(m, max s * c), c the scale;  a = exp(m - m');  p[key] = exp(fma(s[key], c, -m'))
//   (with a cap, s[key] = cap * tanh(s[key] * c / cap) before that, and then c = 1)
//   l[j] = l[j] a + sum of p[key], key = j (mod 16), ascending      16 stripes, merged at the end
//   o[d] = o[d] a + sum of p[key] v[key][d], key ascending, one fused multiply-add per term
// and out = o / l. A sink is where m and l begin: at its score and at 1. Keys outside of a query's
// window or chunk weigh nothing, and no query visits a tile of which it sees no key.
#ifndef BITLOSS_COMPUTE_CPU_ATTENTION_H_
#define BITLOSS_COMPUTE_CPU_ATTENTION_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bitloss/base/threads.h"
#include "bitloss/compute/cpu/aligned_bytes.h"
#include "bitloss/compute/host_tensor.h"

namespace bitloss {

inline constexpr size_t kKeyTile = 128;

// Some queries of one sequence, all heads that read one kv head.
struct AttentionPart {
  const HostSequence* sequence;
  size_t kv_head;
  size_t first_row;  // of the sequence's rows
  size_t end_row;
};

// The kernels of one instruction set; null where it has no fused multiply-add.
struct AttentionKernels {
  // Floats of scratch memory that a part needs, aligned to a cache line.
  size_t (*scratch_floats)(const AttentionShape& shape, const AttentionPart& part) = nullptr;
  void (*attend)(const AttentionShape& shape, ConstMatrixView queries, const AttentionPart& part,
                 float* scratch, MatrixView out) = nullptr;
};

// `target`: one bit of hwy::SupportedTargets().
AttentionKernels AttentionKernelsFor(int64_t target);

// Memory that stays from call to call.
struct AttentionScratch {
  std::vector<AlignedBytes> of_thread;
};

// Shapes as in Backend::Attention.
void AttendOnThreads(const AttentionKernels& kernels, const AttentionShape& shape,
                     ConstMatrixView queries, std::span<const HostSequence> sequences,
                     ThreadPool& threads, AttentionScratch& scratch, MatrixView out);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CPU_ATTENTION_H_

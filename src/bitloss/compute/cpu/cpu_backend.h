// The CPU backend (backend.h) in any arithmetic.
#ifndef BITLOSS_COMPUTE_CPU_CPU_BACKEND_H_
#define BITLOSS_COMPUTE_CPU_CPU_BACKEND_H_

#include <memory>

#include "bitloss/base/result.h"
#include "bitloss/base/threads.h"
#include "bitloss/compute/arithmetic.h"
#include "bitloss/compute/backend.h"

namespace bitloss {

// In split arithmetic products of floats are those of reference/split_product.h, in plain loops:
// some thousand times as long as exact ones. As for MakeCpuBackend(threads) in all else.
Result<std::unique_ptr<Backend>> MakeCpuBackend(ThreadPool& threads, Arithmetic arithmetic);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CPU_CPU_BACKEND_H_

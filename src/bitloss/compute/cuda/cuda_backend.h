// The operations of backend.h on one NVIDIA GPU: every result has the bits of the CPU backend of
// the same arithmetic, whatever the card, so a study may go on on the other.
#ifndef BITLOSS_COMPUTE_CUDA_CUDA_BACKEND_H_
#define BITLOSS_COMPUTE_CUDA_CUDA_BACKEND_H_

#include <memory>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/base/threads.h"
#include "bitloss/compute/arithmetic.h"
#include "bitloss/compute/backend.h"
#include "bitloss/compute/cuda/device_api.h"

namespace bitloss {

// One of the GPUs that the plugin sees, of which no more than so many bytes are used.
struct CudaDeviceChoice {
  int number = 0;
  size_t most_bytes = SIZE_MAX;
};

// kUnsupported, with the reason: no driver or one too old, no such device, tensor cores that do not
// add as split arithmetic says (tried with a small product). One call at a time.
// Requires: `api` and `threads` outlive the backend.
Result<std::unique_ptr<Backend>> MakeCudaBackend(const CudaApi& api, const CudaDeviceChoice& device,
                                                 Arithmetic arithmetic, ThreadPool& threads);

// A line for each device, or one that says why there is none.
std::vector<std::string> DescribeCudaDevices(const CudaApi& api);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CUDA_CUDA_BACKEND_H_

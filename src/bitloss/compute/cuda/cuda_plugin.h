// Finding the CUDA plugin, libbitloss_cuda.so: kernels and the CUDA runtime, apart from the
// program so that one program serves machines with and without a GPU.
#ifndef BITLOSS_COMPUTE_CUDA_CUDA_PLUGIN_H_
#define BITLOSS_COMPUTE_CUDA_CUDA_PLUGIN_H_

#include <filesystem>
#include <span>

#include "bitloss/base/result.h"
#include "bitloss/compute/cuda/device_api.h"

namespace bitloss {

// The table of the first of `paths` that exists; it stays loaded. kUnsupported, with the reason: no
// plugin is there, it does not load, or it is another build's.
Result<const CudaApi*> LoadCudaPlugin(std::span<const std::filesystem::path> paths);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CUDA_CUDA_PLUGIN_H_

#include "bitloss/compute/cuda/cuda_plugin.h"

#include <string_view>

#include "bitloss/base/plugin.h"

namespace bitloss {

Result<const CudaApi*> LoadCudaPlugin(std::span<const std::filesystem::path> paths) {
  BITLOSS_TRY(void* const function, FindInPlugin("CUDA", paths, "BitlossCudaApi"));
  const CudaApi* const api = reinterpret_cast<const CudaApi* (*)()>(function)();
  if (std::string_view(api->build) != BITLOSS_CUDA_BUILD) {
    return Unsupported("the CUDA plugin belongs to another build of bitloss ({}, not {})",
                       api->build, BITLOSS_CUDA_BUILD);
  }
  return api;
}

}  // namespace bitloss

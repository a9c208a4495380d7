#include "bitloss/compute/cuda/cuda_plugin.h"

#include <dlfcn.h>

#include <string_view>
#include <system_error>

namespace bitloss {

Result<const CudaApi*> LoadCudaPlugin(std::span<const std::filesystem::path> paths) {
  for (const std::filesystem::path& path : paths) {
    std::error_code error;
    if (!std::filesystem::exists(path, error)) continue;
    void* const plugin = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (plugin == nullptr) return Unsupported("cannot load the CUDA plugin: {}", ::dlerror());
    void* const function = ::dlsym(plugin, "BitlossCudaApi");
    if (function == nullptr) return Unsupported("{} is not bitloss's CUDA plugin", path.string());
    const CudaApi* const api = reinterpret_cast<const CudaApi* (*)()>(function)();
    if (std::string_view(api->build) != BITLOSS_CUDA_BUILD) {
      return Unsupported("{} belongs to another build of bitloss ({}, not {})", path.string(),
                         api->build, BITLOSS_CUDA_BUILD);
    }
    return api;
  }
  return Unsupported("no CUDA plugin is beside the program; it was built without CUDA");
}

}  // namespace bitloss

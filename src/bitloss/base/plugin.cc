#include "bitloss/base/plugin.h"

#include <dlfcn.h>

#include <system_error>

namespace bitloss {

Result<void*> FindInPlugin(std::string_view what, std::span<const std::filesystem::path> paths,
                           const char* function, PluginSymbols symbols) {
  for (const std::filesystem::path& path : paths) {
    std::error_code error;
    if (!std::filesystem::exists(path, error)) continue;
    const int scope = symbols == PluginSymbols::kShared ? RTLD_GLOBAL : RTLD_LOCAL;
    void* const plugin = ::dlopen(path.c_str(), RTLD_NOW | scope);
    if (plugin == nullptr) return Unsupported("cannot load the {} plugin: {}", what, ::dlerror());
    void* const found = ::dlsym(plugin, function);
    if (found == nullptr) return Unsupported("{} is not bitloss's {} plugin", path.string(), what);
    return found;
  }
  return Unsupported("no {0} plugin is beside the program; it was built without {0}", what);
}

}  // namespace bitloss

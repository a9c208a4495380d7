// Plugins: shared libraries of our own that need what not every machine has (a GPU's runtime, MPI),
// apart from the program, so that one program serves machines with and without it.
#ifndef BITLOSS_BASE_PLUGIN_H_
#define BITLOSS_BASE_PLUGIN_H_

#include <filesystem>
#include <span>
#include <string_view>

#include "bitloss/base/result.h"

namespace bitloss {

// Who may use a plugin's symbols: itself alone, or what it loads later too.
enum class PluginSymbols { kOwn, kShared };

// The address of `function` in the first of `paths` that exists; the plugin stays loaded. `what` is
// its name in messages: "CUDA". kUnsupported, with the reason: no plugin is there, it does not
// load, or it has no such function.
Result<void*> FindInPlugin(std::string_view what, std::span<const std::filesystem::path> paths,
                           const char* function, PluginSymbols symbols = PluginSymbols::kOwn);

}  // namespace bitloss

#endif  // BITLOSS_BASE_PLUGIN_H_

#ifndef BITLOSS_CLI_PLUGINS_H_
#define BITLOSS_CLI_PLUGINS_H_

#include <filesystem>
#include <vector>

namespace bitloss {

// Where a plugin may lie: where BITLOSS_CUDA_PLUGIN or BITLOSS_MPI_PLUGIN says; else beside the
// program (a build folder) or in lib/bitloss beside its folder (an installed program).
std::vector<std::filesystem::path> CudaPlugins();
std::vector<std::filesystem::path> MpiPlugins();

}  // namespace bitloss

#endif  // BITLOSS_CLI_PLUGINS_H_

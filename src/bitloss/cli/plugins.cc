#include "bitloss/cli/plugins.h"

#include <cstdlib>
#include <system_error>

namespace bitloss {
namespace {

std::vector<std::filesystem::path> Plugins(const char* variable, const char* name) {
  if (const char* named = std::getenv(variable)) return {named};
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return {};
  const std::filesystem::path folder = program.parent_path();
  return {folder / name, folder.parent_path() / "lib/bitloss" / name};
}

}  // namespace

std::vector<std::filesystem::path> CudaPlugins() {
  return Plugins("BITLOSS_CUDA_PLUGIN", "libbitloss_cuda.so");
}

std::vector<std::filesystem::path> MpiPlugins() {
  return Plugins("BITLOSS_MPI_PLUGIN", "libbitloss_mpi.so");
}

}  // namespace bitloss

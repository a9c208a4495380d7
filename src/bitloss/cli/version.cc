#include "bitloss/cli/version.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bitloss/cli/plugins.h"
#include "bitloss/compute/instruction_set.h"
#include "bitloss/team/team.h"
#include "bitloss_commit.h"  // made when bitloss is built

namespace bitloss {
namespace {

#ifdef __clang__
constexpr const char* kCompiler = __VERSION__;
#else
constexpr const char* kCompiler = "GCC " __VERSION__;
#endif

}  // namespace

const char* VersionNumber() { return BITLOSS_VERSION; }

std::string VersionText(const DeviceChoice& device) {
  return fmt::format(
      "bitloss {}\ncommit: {}\nbuilt with: {}, {}\ninstruction sets: {}\ngpus: {}\nmpi: {}",
      BITLOSS_VERSION, BITLOSS_COMMIT, kCompiler, BITLOSS_BUILD_TYPE,
      fmt::join(CpuInstructionSets(), ", "), fmt::join(DescribeGpus(device), "\n      "),
      DescribeMpi(MpiPlugins()));
}

}  // namespace bitloss

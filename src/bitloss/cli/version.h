#ifndef BITLOSS_CLI_VERSION_H_
#define BITLOSS_CLI_VERSION_H_

#include <string>

#include "bitloss/compute/devices.h"

namespace bitloss {

// "0.2.0"
const char* VersionNumber();

// What `bitloss --version` prints: version, commit, compiler, the processor's instruction sets that
// this build uses, GPUs and MPI, or why there are none.
std::string VersionText(const DeviceChoice& device);

}  // namespace bitloss

#endif  // BITLOSS_CLI_VERSION_H_

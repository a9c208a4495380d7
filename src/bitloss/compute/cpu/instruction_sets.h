#ifndef BITLOSS_COMPUTE_CPU_INSTRUCTION_SETS_H_
#define BITLOSS_COMPUTE_CPU_INSTRUCTION_SETS_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"

namespace bitloss {

// Highway's bits for the instruction sets that this processor and this build share, best first.
std::vector<int64_t> CpuTargets();

// The best of them, or the one named. kUnsupported says which there are.
Result<int64_t> ChooseCpuTarget(std::string_view instruction_set);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CPU_INSTRUCTION_SETS_H_

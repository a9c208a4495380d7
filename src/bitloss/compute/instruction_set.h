// Which of the processor's instruction sets this process uses. No number depends on it.
#ifndef BITLOSS_COMPUTE_INSTRUCTION_SET_H_
#define BITLOSS_COMPUTE_INSTRUCTION_SET_H_

#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"

namespace bitloss {

// What this processor and this build share, best first: "AVX3_DL", "AVX3", "AVX2".
std::vector<std::string> CpuInstructionSets();

// From now on no kernel of this process, of any module, uses a better one than that named; empty:
// all may be used. To be called before other threads run. kUnsupported names those there are.
Status LimitInstructionSet(std::string_view name);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_INSTRUCTION_SET_H_

#include "bitloss/compute/cpu/instruction_sets.h"

#include <fmt/format.h>

#include <string>

#include "bitloss/compute/cpu/row_ops.h"
#include "bitloss/compute/instruction_set.h"
#include "hwy/targets.h"

namespace bitloss {

std::vector<int64_t> CpuTargets() {
  std::vector<int64_t> result;
  for (int64_t targets = hwy::SupportedTargets(); targets != 0; targets &= targets - 1) {
    const int64_t target = targets & -targets;  // the lowest bit is the best
    if (RowKernelsFor(target).add != nullptr) result.push_back(target);
  }
  return result;
}

Result<int64_t> ChooseCpuTarget(std::string_view instruction_set) {
  const std::vector<int64_t> targets = CpuTargets();
  if (targets.empty()) {
    return Unsupported("this processor has no fused multiply-add (AVX2 with FMA, or better)");
  }
  if (instruction_set.empty()) return targets.front();
  for (const int64_t target : targets) {
    if (instruction_set == hwy::TargetName(target)) return target;
  }
  return Unsupported("instruction set '{}' is not one that this processor and this build share: {}",
                     instruction_set, fmt::join(CpuInstructionSets(), ", "));
}

std::vector<std::string> CpuInstructionSets() {
  std::vector<std::string> names;
  for (const int64_t target : CpuTargets()) names.emplace_back(hwy::TargetName(target));
  return names;
}

Status LimitInstructionSet(std::string_view name) {
  hwy::DisableTargets(0);
  if (name.empty()) return Ok();
  BITLOSS_TRY(const int64_t target, ChooseCpuTarget(name));
  hwy::DisableTargets(target - 1);  // better ones have lower bits
  return Ok();
}

}  // namespace bitloss

#include "bitloss/study/stored_types.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <vector>

namespace bitloss {

Result<StoredTypes> FindStoredTypes(const Checkpoint& checkpoint) {
  constexpr std::array<std::string_view, 4> kPlain = {"F64", "F32", "F16", "BF16"};
  StoredTypes stored;
  std::map<std::string, uint64_t> num_weights;
  for (const std::string& name : checkpoint.TensorNames()) {
    BITLOSS_TRY(const TensorInfo info, checkpoint.Info(name));
    stored.num_bytes += info.num_bytes;
    if (std::ranges::find(kPlain, info.stored_type) != kPlain.end()) continue;
    num_weights[info.stored_type] += info.rows * info.cols;
  }
  std::vector<std::string> types;
  for (const auto& [type, count] : num_weights) types.push_back(type);
  std::ranges::stable_sort(
      types, [&](const auto& a, const auto& b) { return num_weights[a] > num_weights[b]; });
  stored.quantized = fmt::format("{}", fmt::join(types, ", "));
  return stored;
}

}  // namespace bitloss

#include "bitloss/study/bit_allocation.h"

#include <algorithm>

#include "bitloss/base/check.h"

namespace bitloss {
namespace {

struct TensorExchange {
  size_t tensor = 0;
  size_t choice = 0;
  double saved_per_byte = 0.0;
};

std::optional<TensorExchange> BestExchange(std::span<const std::vector<TensorChoice>> tensors,
                                           std::span<const size_t> chosen, uint64_t free_bytes) {
  std::optional<TensorExchange> best;
  for (size_t t = 0; t < tensors.size(); ++t) {
    const TensorChoice& now = tensors[t][chosen[t]];
    for (size_t c = 0; c < tensors[t].size(); ++c) {
      const TensorChoice& then = tensors[t][c];
      if (then.bytes <= now.bytes || then.bytes - now.bytes > free_bytes) continue;
      const double saved = (now.kl - then.kl) / static_cast<double>(then.bytes - now.bytes);
      if (saved > (best ? best->saved_per_byte : 0.0)) best = TensorExchange{t, c, saved};
    }
  }
  return best;
}

}  // namespace

std::optional<std::vector<size_t>> AllocateBits(std::span<const std::vector<TensorChoice>> tensors,
                                                uint64_t max_bytes) {
  std::vector<size_t> chosen;
  uint64_t bytes = 0;
  for (const std::vector<TensorChoice>& choices : tensors) {
    BITLOSS_CHECK(!choices.empty());
    // Of equally small ones the one that does less harm.
    const auto smallest = std::ranges::min_element(choices, [](const auto& a, const auto& b) {
      return a.bytes != b.bytes ? a.bytes < b.bytes : a.kl < b.kl;
    });
    chosen.push_back(static_cast<size_t>(smallest - choices.begin()));
    bytes += smallest->bytes;
  }
  if (bytes > max_bytes) return std::nullopt;
  while (const auto exchange = BestExchange(tensors, chosen, max_bytes - bytes)) {
    const std::vector<TensorChoice>& choices = tensors[exchange->tensor];
    bytes += choices[exchange->choice].bytes - choices[chosen[exchange->tensor]].bytes;
    chosen[exchange->tensor] = exchange->choice;
  }
  return chosen;
}

}  // namespace bitloss
